"""Errors become one message and one exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from celery_bridge.errors import EngineFailed, EngineUnreachable
from cli.failures import Exit, Unavailable, UsageError, failure_of
from cli.main import run_command
from codegen.errors import DocumentError, ParameterError, Problem, RegistryError, RoutingError
from control.errors import NotDeployed, PrefectUnreachable, RunAmbiguous, RunRefused, RunUnknown
from control.home import HomeError
from control.options import BadSetting
from control.ports import PortTaken
from control.reach import Unreachable
from control.supervisor import StartFailed
from steps.entries import Unreadable

ROOT = Path(__file__).parents[2]
PROBLEM = Problem("steps[0].id", "is missing", "give one", "a.yaml", 3, 5)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DocumentError([PROBLEM]), 2),
        (ParameterError([PROBLEM]), 2),
        (RoutingError("no engine"), 2),
        (UsageError("not so"), 2),
        (BadSetting("OPSCONDUCTOR_PORT", "x", "set it to a number"), 2),
        (PortTaken(4200, "in use"), 2),
        (RunUnknown("x"), 2),
        (RunAmbiguous("x", ["a", "b"]), 2),
        (RunRefused("too large"), 2),
        (Unreadable("line 3"), 2),
        (RegistryError("changed"), 3),
        (Unavailable("nothing runs"), 3),
        (HomeError("no space left"), 3),
        (StartFailed("prefect", "it ended", Path("prefect.log"), ["last line"]), 3),
        (Unreachable("The broker", "redis://h", "OPSCONDUCTOR_BROKER_URL", "refused"), 3),
        (PrefectUnreachable("no answer"), 3),
        (NotDeployed("a/b"), 3),
        (EngineUnreachable("no worker"), 3),
        (EngineFailed("no report"), 3),
        (httpx.ConnectError("refused"), 3),
    ],
)
def test_expected_errors(error: Exception, code: int) -> None:
    """Each keeps its message and has its exit code."""
    failure = failure_of(error)
    assert failure is not None
    assert (failure.message, int(failure.exit)) == (str(error), code)


def test_problems_are_kept() -> None:
    """What `--json` prints has each problem with its place."""
    failure = failure_of(DocumentError([PROBLEM]))
    assert failure is not None
    assert failure.to_json() == {
        "error": {
            "message": "a.yaml:3:5: steps[0].id: is missing (give one)",
            "problems": [
                {
                    "path": "steps[0].id",
                    "message": "is missing",
                    "cure": "give one",
                    "file": "a.yaml",
                    "line": 3,
                    "column": 5,
                }
            ],
        }
    }


def test_an_unexpected_error_is_not_explained_away() -> None:
    """Nothing is known of an error that nobody expected."""
    assert failure_of(ZeroDivisionError()) is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run"], "requires an argument"),
        (["nonsense"], "Unknown command"),
        (["run", "x.yaml", "--engine", "both"], "Choose from"),
        (["run", "x.yaml", "--bogus"], "--bogus"),
        (["validate"], "at least one FILE"),
        (["up", "--port", "70000"], "--port is 70000: give a number from 1 to 65535."),
        (["up", "--port", "many"], "--port"),
        (["route", "no_such_document"], "there is no file 'no_such_document'"),
        (["graph", "."], "this is a folder"),
    ],
)
def test_bad_usage(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one message on standard error, nothing on standard output, no traceback."""
    assert run_command(arguments) == Exit.BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.startswith("opsconductor: ")
    assert "Traceback" not in err


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json standard output is one object, usage errors included."""
    assert run_command(["route", "no_such_document", "--json"]) == Exit.BAD_INPUT
    assert json.loads(capsys.readouterr().out)["error"]["problems"][0]["path"] == ""
    assert run_command(["route", "--json"]) == Exit.BAD_INPUT
    assert json.loads(capsys.readouterr().out)["error"]["problems"] == []


@pytest.mark.parametrize(
    "command", ["run", "route", "validate", "generate", "graph", "up", "down", "status", "doctor"]
)
def test_help_needs_no_prefect(command: str) -> None:
    """Help and the commands without a server start fast: neither Prefect nor Celery is imported."""
    imported = (
        "import sys; from cli.main import run_command; code = run_command(sys.argv[1:]);"
        "print(sorted({'prefect', 'celery', 'httpx'} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", imported, command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"opsconductor {command}" in done.stdout
    assert done.stderr == "[]\n"


def test_a_reader_that_has_seen_enough() -> None:
    """A closed pipe ends the command without a traceback."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "graph", str(ROOT / "examples" / "build_out.yaml")],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    os.close(reader)
    _, errors = process.communicate()
    assert errors == b""
    assert process.returncode == Exit.FAILED
