"""`status`, `logs` and `cancel`: what Prefect knows of runs, and how to end one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, TypeVar

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from cli import output
from cli.failures import Exit, UsageError
from cli.installation import overview
from cli.options import Json, Run
from cli.servers import find_server
from control.runs import RunLog, RunStatus

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
    for run in found:
        if _is_without_process(run):
            from cli.retry import bring_to_its_end

            bring_to_its_end(run)
    ended = asyncio.run(_cancelled([run.id for run in found]))
    if as_json:
        told = [one.to_json() for one in ended]
        output.print_json(told if len(runs) > 1 else told[0])
    for one in ended:
        if one.state != "CANCELLED":
            output.say(_not_cancelled(one), style="red")
        elif not as_json:
            output.write_text(output.printable(f"{one.name} ({one.id}): {one.what_was_stopped}"))
    return Exit.DONE if all(one.state == "CANCELLED" for one in ended) else Exit.FAILED


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


async def _cancelled(ids: Sequence[str]) -> list[RunStatus]:
    """All are asked before the end of one is waited for."""
    from control.client import PrefectClient

    async with PrefectClient() as client:
        await _each(ids, client.ask_to_end)
        return await _each(ids, client.ended)


async def _each(of: Iterable[str], work: Callable[[str], Awaitable[T]]) -> list[T]:
    """The results, in order; not too many at once for Prefect's server."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(reference: str) -> T:
        async with places:
            return await work(reference)

    return list(await asyncio.gather(*map(one, of)))


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
