"""`status`, `logs` and `cancel`: what Prefect knows of runs, and how to end one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from cli import output
from cli.ends import end_all
from cli.failures import Exit, Failure, UsageError, failure_of, unexpected
from cli.installation import overview
from cli.options import Json, Run
from cli.servers import find_server
from control.runs import RunLog, RunStatus

if TYPE_CHECKING:
    from control.client import PrefectClient

AT_ONCE = 20
T = TypeVar("T")
_STYLES = {"COMPLETED": "green", "FAILED": "bold red", "CRASHED": "bold red", "CANCELLED": "yellow"}


def status(run: Run | None = None, /, *, as_json: Json = False) -> int:
    """What runs here; with RUN, how far a run is."""
    if run is None:
        return overview(as_json)
    find_server()
    found = asyncio.run(_state(run))
    if as_json:
        output.print_json(found.to_json())
    else:
        _show(found)
    return Exit.DONE


def logs(
    run: Run,
    /,
    *,
    follow: Annotated[
        bool,
        Parameter(name=["--follow", "-f"], negative="", show_default=False, help="Go on until the run ends."),
    ] = False,
    as_json: Json = False,
) -> int:
    """The log of a run and of everything below it, in the order of time; as JSON an object a line."""
    find_server()
    asyncio.run(_print_log(run, follow, as_json))
    return Exit.DONE


def cancel(*runs: Run, as_json: Json = False) -> int:
    """End runs, and say what was stopped. A name means the only unfinished run of that name."""
    if not runs:
        raise UsageError("cancel needs at least one RUN (`opsconductor cancel --help` shows more).")
    find_server()
    found = asyncio.run(_to_be_cancelled(runs))
    ended = end_all(
        found,
        is_without_process=_is_without_process,
        ask=_asked,
        bring_to_its_end=_bring_to_its_end,
        ended=_ended,
    )
    if len(runs) == 1 and isinstance(ended[0], Exception):
        raise ended[0]
    outcomes = [_failure(one) if isinstance(one, Exception) else one for one in ended]
    pairs = list(zip(found, outcomes, strict=True))
    if as_json:
        told = [one.to_json() if isinstance(one, RunStatus) else _as_json(run, one) for run, one in pairs]
        output.print_json(told if len(runs) > 1 else told[0])
    return max(_said(run, one, as_json=as_json) for run, one in pairs)


async def _state(reference: str) -> RunStatus:
    from control.client import PrefectClient

    async with PrefectClient() as client:
        found = await client.state((await client.find(reference)).id)
        goes_on_celery = found.engine == "celery" and not found.is_final
        return replace(found, position=await client.position(found.id)) if goes_on_celery else found


async def _print_log(reference: str, follow: bool, as_json: bool) -> None:
    from control.client import PrefectClient

    show = _print_json_line if as_json else _print_line
    async with PrefectClient() as client:
        run = await client.find(reference)
        if follow:
            await client.follow(run.id, show)
        else:
            for line in await client.logs(run.id):
                show(line)


async def _to_be_cancelled(references: Sequence[str]) -> list[RunStatus]:
    """Each of them once. One that is not known, and nothing is cancelled."""
    from control.client import PrefectClient

    async with PrefectClient() as client:
        found = await _each(references, lambda one: client.find(one, unfinished=True))
    return list({run.id: run for run in found}.values())


def _is_without_process(run: RunStatus) -> bool:
    """Whether it goes on in name only: its process, which was one of this machine, died."""
    from control.again import is_tried_again_here
    from flows.journals import is_open

    begun = run.state in ("RUNNING", "CANCELLING") and not is_tried_again_here(run.id)
    return begun and is_open(run.id) is False


def _bring_to_its_end(run: RunStatus) -> None:
    from cli.retry import bring_to_its_end

    bring_to_its_end(run)


def _asked(ids: Sequence[str]) -> dict[str, Exception]:
    """Ask all of them to end; what went wrong."""
    done = _each_by_itself(ids, lambda client, run: client.ask_to_end(run))
    return {run: one for run, one in done.items() if isinstance(one, Exception)}


def _ended(ids: Sequence[str]) -> dict[str, RunStatus | Exception]:
    """Wait for their ends."""
    return _each_by_itself(ids, lambda client, run: client.ended(run))


def _each_by_itself(
    ids: Sequence[str], work: Callable[["PrefectClient", str], Awaitable[T]]
) -> dict[str, T | Exception]:
    """What comes of each; the errors of one are no others' business."""

    async def all_of_them() -> dict[str, T | Exception]:
        from control.client import PrefectClient

        async with PrefectClient() as client:

            async def one(run: str) -> T | Exception:
                try:
                    return await work(client, run)
                except Exception as error:  # noqa: BLE001 - it is told for its run
                    return error

            return dict(zip(ids, await _each(ids, one), strict=True))

    return asyncio.run(all_of_them()) if ids else {}


async def _each(of: Iterable[str], work: Callable[[str], Awaitable[T]]) -> list[T]:
    """The results, in order; not too many at once for Prefect's server."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(reference: str) -> T:
        async with places:
            return await work(reference)

    return list(await asyncio.gather(*map(one, of)))


def _failure(error: Exception) -> Failure:
    return failure_of(error) or unexpected(error)


def _as_json(run: RunStatus, failure: Failure) -> dict[str, Any]:
    return {"id": run.id, "name": run.name, **failure.to_json()}


def _said(run: RunStatus, outcome: RunStatus | Failure, *, as_json: bool) -> int:
    """Tell what became of a run that was to end; the exit code for it alone."""
    if isinstance(outcome, Failure):
        output.say(f"opsconductor: {run.name} ({run.id}) could not be ended: {outcome.message}", style="red")
        return outcome.exit
    if outcome.state != "CANCELLED":
        output.say(_not_cancelled(outcome), style="red")
        return Exit.FAILED
    if not as_json:
        output.write_text(output.printable(f"{outcome.name} ({outcome.id}): {outcome.what_was_stopped}"))
    return Exit.DONE


def _not_cancelled(run: RunStatus) -> str:
    if run.is_final:
        return f"opsconductor: {run.name} ({run.id}) was not cancelled: it ended as {run.state_name}."
    return (
        f"opsconductor: {run.name} ({run.id}) was asked to end and is still {run.state_name}; "
        f"`opsconductor status {run.id}` shows when it has."
    )


def as_text(line: RunLog) -> str:
    """A line of a run's log, for people."""
    time = line.time.astimezone().strftime("%H:%M:%S.%f")[:-3]
    return f"{time} {line.level_name:7} {output.printable(f'{line.source}: {line.message}')}"


def _print_line(line: RunLog) -> None:
    output.write_text(as_text(line))


def _print_json_line(line: RunLog) -> None:
    output.print_json_line(line.to_json())


def _show(run: RunStatus) -> None:
    console = output.standard_output()
    facts = Table.grid(padding=(0, 2))
    for name, value in (
        ("run", run.name),
        ("id", run.id),
        ("state", state_of(run)),
        ("at", run.position),
        ("engine", run.engine or ""),
        ("level", run.level or ""),
        ("started", run.started_at.astimezone().isoformat(" ", "seconds") if run.started_at else ""),
        ("took", _took(run.started_at, run.ended_at)),
        ("UI", run.url),
    ):
        style = _STYLES.get(run.state, "") if name == "state" else ""
        facts.add_row(Text(name, style="dim"), Text(output.printable(value), style=style))
    console.print(facts)
    if run.parts:
        console.print(_parts(run))


def state_of(run: RunStatus) -> str:
    """The name of its state, and what it says."""
    if run.message.startswith(run.state_name):
        return run.message
    return f"{run.state_name}: {run.message}" if run.message else run.state_name


def _parts(run: RunStatus) -> Table:
    table = Table("name", "kind", "state", "took", "message")
    for part in run.parts:
        texts = (part.name, part.kind, part.state, _took(part.started_at, part.ended_at), part.message)
        table.add_row(*(Text(output.printable(text)) for text in texts))
    return table


def _took(started: datetime | None, ended: datetime | None) -> str:
    return f"{(ended - started).total_seconds():.1f} s" if started and ended else ""
