"""`run`: check, decide, start what is missing, run the workflow here, say how it ended."""

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from cli import output
from cli.choice import Request, checked
from cli.failed_at import failed_at
from cli.failures import Exit, Failure, failure_of
from cli.options import File, Json
from cli.servers import prepare_run, prepare_submission
from cli.wishes import Engine, Force, Parameters, Targets
from codegen.explain import sentence
from codegen.naming import run_name
from codegen.result import RunResult

if TYPE_CHECKING:
    from cli.execution import Ending


def run(
    file: File,
    /,
    *,
    engine: Engine = "auto",
    force: Force = False,
    param: Parameters = None,
    target: Targets = None,
    wait: Annotated[
        bool, Parameter(negative="--no-wait", help="Wait for the end, or only start the run.")
    ] = True,
    as_json: Json = False,
) -> int:
    """Run a workflow, and show its steps as they go. Servers that are missing are started."""
    request = checked(file, engine=engine, force=force, params=param or (), targets=target or ())
    return _run_here(file, request, as_json) if wait else _submit(request, as_json)


def _run_here(file: str, request: Request, as_json: bool) -> int:
    prepare_run(request.decision.engine, output.say)
    # Only now: Prefect reads its settings when it is imported.
    from cli.execution import carried_out
    from cli.progress import Progress

    progress = Progress(output.standard_error())
    with progress.shown():
        ending = carried_out(request.parameters(), progress)
    code = show_ending(ending, as_json)
    if ending.result is not None and (place := failed_at(file, request.workflow, ending.result)):
        output.say(f"{place}: here is the step that failed")
    return code


def show_ending(ending: "Ending", as_json: bool) -> int:
    """How a run went that was run here; the exit code."""
    if ending.result is None:
        return _without_result(ending, as_json)
    if as_json:
        output.print_json(ending.result.model_dump(mode="json"))
    else:
        _show(output.standard_output(), ending, ending.result)
    return _exit_code(ending, ending.result)


def _submit(request: Request, as_json: bool) -> int:
    prepare_submission(output.say)
    started = asyncio.run(_started(request))
    if as_json:
        output.print_json(started)
    else:
        output.write_text(f"Started {started['execution_id']}\n{started['url']}")
    return Exit.DONE


async def _started(request: Request) -> dict[str, str]:
    from control.client import PrefectClient

    async with PrefectClient() as client:
        status = await client.start(request.parameters(), name=run_name(request.workflow.name))
    return {"execution_id": status.id, "url": status.url}


def _exit_code(ending: "Ending", result: RunResult) -> Exit:
    if ending.cancelled or result.cancelled:
        return Exit.CANCELLED
    return Exit.DONE if result.success else Exit.FAILED


def _without_result(ending: "Ending", as_json: bool) -> int:
    """The run ended before there was a result: an engine was away, or the run was cancelled too early."""
    known = failure_of(ending.error) if ending.error else None
    code = Exit.CANCELLED if ending.cancelled else known.exit if known else Exit.FAILED
    reason = known.message if known else ending.message or "no result was reported"
    failure = Failure(f"The run ended as {ending.state_name}: {reason}\n{ending.url}", code)
    output.say(f"opsconductor: {failure.message}", style="red")
    if as_json:
        output.print_json(failure.to_json())
    return code


def _show(console: Console, ending: "Ending", result: RunResult) -> None:
    console.print(Text(output.printable(sentence(result.decision))))
    style = "green" if result.success else "yellow" if result.cancelled else "bold red"
    console.print(Text(output.printable(_verdict(ending, result)), style=style))
    for name, value in result.result_data.items():
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        console.print(Text(f"  {name}: {output.printable(shown)}"))
    console.print(Text(ending.url))


def _verdict(ending: "Ending", result: RunResult) -> str:
    """One sentence on how it went."""
    steps = f"{result.steps_completed} of {result.total_steps} steps"
    took = f"in {result.duration_seconds:.1f} s on {result.engine_used}"
    if result.cancelled:
        return f"{ending.message or 'Cancelled'} ({steps} done {took})"
    if result.success:
        return f"Done: {steps} {took}"
    return f"Failed: {result.error_message} ({steps} done {took})"
