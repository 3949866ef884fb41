"""`retry`: a run once more, of which what succeeded is kept."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cli import output
from cli.failures import Exit, UsageError
from cli.options import Json, Run
from cli.run import show_ending
from cli.runs import as_text, state_of
from cli.servers import find_server, prepare_run, prepare_submission
from control.runs import RunLog, RunStatus

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from cli.execution import Ending

Start = Annotated[
    str | None,
    Parameter(name="--from", help="Do this step again, and all that comes after it, even if it succeeded."),
]
Wait = Annotated[bool, Parameter(negative="--no-wait", help="Wait for the end, or only start the run.")]


def retry(run: Run, /, *, start: Start = None, wait: Wait = True, as_json: Json = False) -> int:
    """Run again what did not succeed and what comes after it; the outputs of what did are kept."""
    find_server()
    known = asyncio.run(_found(run))
    if not (wait or known.is_of_a_deployment):
        raise UsageError(
            f"{known.name} has no deployment: `opsconductor run` ran it, and so it is tried again here. "
            "Leave --no-wait out."
        )
    since = datetime.now(UTC)
    with _alone_at(known):
        _prepare(known)
        flow_run = asyncio.run(_tried_again(known.id, start, here=False))
        ending = None if known.is_of_a_deployment else _carried_out(flow_run, cancel=False)
    if ending is None:
        return _elsewhere(flow_run, since, wait=wait, as_json=as_json)
    return show_ending(ending, as_json)


def _alone_at(run: RunStatus) -> AbstractContextManager[None]:
    from control.again import tried_again_here

    return tried_again_here(run.id, run.name)


def _prepare(run: RunStatus) -> None:
    if run.is_of_a_deployment:
        prepare_submission(output.say)
    else:
        prepare_run("celery" if run.engine == "celery" else "prefect", output.say)


async def _found(reference: str) -> RunStatus:
    from control.client import PrefectClient

    async with PrefectClient() as client:
        return await client.find(reference)


async def _tried_again(run_id: str, start: str | None, *, here: bool) -> "FlowRun":
    from control.client import PrefectClient
    from flows.journals import document_of, is_open

    async with PrefectClient() as client:
        return await client.try_again(run_id, start, is_open, document_of, here=here)


def bring_to_its_end(run: RunStatus) -> None:
    """Cancel a run whose process died: what it did is undone here, and what a worker does for it is ended."""
    with _alone_at(run):
        prepare_run("celery" if run.engine == "celery" else "prefect", output.say)
        _carried_out(asyncio.run(_tried_again(run.id, None, here=True)), cancel=True)


def _carried_out(flow_run: "FlowRun", *, cancel: bool) -> "Ending":
    from cli.execution import carried_out_again
    from cli.progress import Progress

    progress = Progress(output.standard_error())
    with progress.shown():
        return carried_out_again(flow_run, progress, cancel=cancel)


def _elsewhere(flow_run: "FlowRun", since: datetime, *, wait: bool, as_json: bool) -> int:
    """The run goes on where its worker is: here its log is shown, from this try on."""
    write = output.say if as_json else output.write_text
    show = (lambda line: write(as_text(line))) if wait else None
    status = asyncio.run(_followed(str(flow_run.id), show, since))
    if as_json:
        output.print_json(status.to_json())
    else:
        output.write_text(output.printable(f"{status.name}: {state_of(status)}\n{status.url}"))
    return Exit.DONE if not wait else _CODES.get(status.state, Exit.FAILED)


async def _followed(run_id: str, show: Callable[[RunLog], None] | None, since: datetime) -> RunStatus:
    from control.client import PrefectClient

    async with PrefectClient() as client:
        return await (client.state(run_id) if show is None else client.follow(run_id, show, since))


_CODES = {"COMPLETED": Exit.DONE, "CANCELLED": Exit.CANCELLED}
