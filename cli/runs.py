"""`status`, `logs` and `cancel`: what Prefect knows of runs, and how to end one."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from cli import output
from cli.failures import Exit
from cli.installation import overview
from cli.options import Json, Run
from cli.servers import find_server
from control.runs import RunLog, RunStatus

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


def cancel(run: Run, /, *, as_json: Json = False) -> int:
    """End a run, and say what was stopped. A name means the only unfinished run of that name."""
    find_server()
    if (dead := asyncio.run(_without_process(run))) is not None:
        from cli.retry import bring_to_its_end

        bring_to_its_end(dead)
    ended = asyncio.run(_cancelled(dead.id if dead is not None else run))
    cancelled = ended.state == "CANCELLED"
    if as_json:
        output.print_json(ended.to_json())
    elif cancelled:
        output.write_text(output.printable(f"{ended.name} ({ended.id}): {_what_was_stopped(ended)}"))
    if not cancelled:
        output.say(_not_cancelled(ended), style="red")
    return Exit.DONE if cancelled else Exit.FAILED


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


async def _without_process(reference: str) -> RunStatus | None:
    """The run, where it goes on in name only: its process, which was one of this machine, died."""
    from control.again import is_tried_again_here
    from control.client import PrefectClient
    from flows.journals import is_open

    async with PrefectClient() as client:
        run = await client.find(reference, unfinished=True)
    begun = run.state in ("RUNNING", "CANCELLING") and not is_tried_again_here(run.id)
    return run if begun and is_open(run.id) is False else None


async def _cancelled(reference: str) -> RunStatus:
    from control.client import PrefectClient

    async with PrefectClient() as client:
        return await client.cancel((await client.find(reference, unfinished=True)).id)


def _what_was_stopped(run: RunStatus) -> str:
    """The run's own words; where Prefect ended its process it had none, and its tasks tell."""
    told = run.message or "Cancelled"
    if "stopped" in told or not run.stopped:
        return told
    return f"{told.rstrip('.')}: stopped {', '.join(run.stopped)}"


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
