"""The command line: `opsconductor`."""

import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from cyclopts import App, CycloptsError

from cli import output
from cli.failures import Exit, Failure, failure_of, unexpected

_COMMANDS = {
    "run": ("cli.run:run", "Run a workflow, and show its steps as they go."),
    "route": ("cli.route:route", "Explain which engine a workflow goes to. Runs nothing, needs no server."),
    "validate": ("cli.validate:validate", "Report everything that is wrong with some documents."),
    "generate": ("cli.generate:generate", "Turn a workflow into a Prefect flow in Python."),
    "test": ("cli.test:run_tests", "Run the tests of workflows: steps are pretended, nothing is touched."),
    "graph": ("cli.generate:graph", "Draw a workflow as a Mermaid diagram."),
    "up": ("cli.installation:up", "Start the built-in Prefect server, broker, worker and router."),
    "down": ("cli.installation:down", "Stop what `up` started."),
    "status": ("cli.runs:status", "What runs here; with RUN, how far a run is."),
    "doctor": ("cli.doctor:doctor", "Examine the whole installation: what is wrong, why, and what mends it."),
    "metrics": ("cli.metrics:metrics", "What is counted of runs on Celery, for Prometheus."),
    "logs": ("cli.runs:logs", "The log of a run and of everything below it."),
    "approve": ("cli.approvals:approve", "Say yes to what a run waits for."),
    "deny": ("cli.approvals:deny", "Say no to what a run waits for."),
    "cancel": ("cli.runs:cancel", "End a run."),
    "retry": ("cli.retry:retry", "Run again what of a run did not succeed."),
}


def _version() -> str:
    try:
        return version("opsconductor")
    except PackageNotFoundError:
        return "unknown"


def build_app() -> App:
    """The commands; each is imported when it is used."""
    app = App(
        name="opsconductor",
        help="Operations workflows as one document, run by Celery or by generated Prefect flows.",
        version=_version,
        version_flags=["--version"],
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
    )
    for place, (name, (target, summary)) in enumerate(_COMMANDS.items()):
        app.command(target, name=name, help=summary, sort_key=place)
    return app


def run_command(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Expected errors become a message."""
    try:
        result = build_app()(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        return int(result or 0)
    except CycloptsError as error:
        return _report(Failure(_usage(error), Exit.BAD_INPUT), arguments)
    except KeyboardInterrupt:
        return _report(Failure("interrupted", Exit.CANCELLED), arguments)
    except BrokenPipeError:
        # The reader has seen enough (`opsconductor logs ... | head`). Nothing may be left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except Exception as error:  # noqa: BLE001
        return _report(failure_of(error) or unexpected(error), arguments)


def main() -> None:
    """The script `opsconductor`."""
    output.tolerate_all_characters()
    sys.exit(run_command(sys.argv[1:]))


def _report(failure: Failure, arguments: Sequence[str]) -> int:
    output.say(f"opsconductor: {failure.message}", style="red")
    if "--json" in arguments:
        output.print_json(failure.to_json())
    return failure.exit


def _usage(error: CycloptsError) -> str:
    command = " ".join(("opsconductor", *(error.command_chain or ())))
    return f"{str(error).strip()} (`{command} --help` shows what it takes.)"


if __name__ == "__main__":
    main()
