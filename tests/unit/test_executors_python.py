"""The `python` step: an importable function in a process of its own."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from steps import StepFailed, python
from steps.errors import StepTimedOut
from steps.scope import Scope, Surroundings
from steps.testing import Recorder
from tests.unit.waiting import wait_until

MODULE = """
import os, sys, time

print("imported")


def add(x, y=1):
    return x + y


def talk(text):
    print(text)
    print(text, file=sys.stderr)
    return {"said": text}


def broken(x):
    raise ValueError(f"{x} is\\nno good")


def returns(what):
    return {"set": {1}, "nested": [{"a": object()}], "tuple": (1, (2,)), "none": None, "nan": 1.5}[what]


async def later(x):
    return x


def leave(code):
    os._exit(code)


def stop():
    sys.exit(3)


def read():
    return sys.stdin.read()


def sleep(file):
    with open(file, "w") as out:
        out.write(str(os.getpid()))
    time.sleep(600)


def huge(size):
    return "x" * size


def hidden_answer():
    print("no json here", flush=True)
    return [os.environ["OPSCONDUCTOR_STEP_KEY"], __name__]


class Tools:
    @staticmethod
    def double(x):
        return 2 * x


NUMBER = 5
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`chores` lies in the working directory."""
    (tmp_path / "chores.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)


def scope(recorder: Recorder | None = None, **params: Any) -> Scope:
    return Scope(Surroundings(run_id="r", name="n", params=params, listener=recorder or Recorder()), "a")


def written_pid() -> str:
    return Path("pid").read_text() if Path("pid").exists() else ""


def process_is_gone() -> bool:
    try:
        os.kill(int(written_pid()), 0)
    except ProcessLookupError:
        return True
    return False


async def failure(
    call: str, args: dict[str, Any] | None = None, recorder: Recorder | None = None
) -> StepFailed:
    with pytest.raises(StepFailed) as raised:
        await python(scope(recorder), call, args=args)
    return raised.value


@pytest.mark.parametrize(
    ("call", "args", "result"),
    [
        ("chores:add", {"x": 2}, 3),
        ("chores:add", {"x": "{{ params.x }}", "y": [1]}, [7, 1]),
        ("chores:returns", {"what": "tuple"}, [1, [2]]),
        ("chores:returns", {"what": "none"}, None),
        ("chores:later", {"x": {"deep": [1.5, True, None, "ü"]}}, {"deep": [1.5, True, None, "ü"]}),
        ("chores:Tools.double", {"x": 4}, 8),
        ("chores:read", {}, ""),
        ("chores:hidden_answer", {}, ["r.a", "chores"]),
        ("os.path:basename", {"p": "/a/b"}, "b"),
    ],
)
async def test_the_result_is_what_the_function_returns(call: str, args: dict[str, Any], result: Any) -> None:
    """As JSON data; arguments are filled in, coroutine functions are run, prints are no result."""
    assert (await python(scope(x=[7]), call, args=args)).result == result


async def test_prints_are_lines() -> None:
    """Of their streams, also those of the import."""
    recorder = Recorder()
    outcome = await python(scope(recorder), "chores:talk", args={"text": "hello"})
    assert outcome.result == {"said": "hello"}
    assert {(event.stream, event.text) for event in recorder.events} == {
        ("stdout", "imported"),
        ("stdout", "hello"),
        ("stderr", "hello"),
    }


async def test_an_exception_fails_the_step_and_its_traceback_is_told() -> None:
    """The error is the traceback's last line."""
    recorder = Recorder()
    failed = await failure("chores:broken", {"x": 1}, recorder)
    assert failed.message == "ValueError: 1 is no good"
    lines = recorder.lines("a")
    assert "Traceback (most recent call last):" in lines
    assert any('chores.py", line' in line and "in broken" in line for line in lines)
    assert not any("call_runner" in line for line in lines)


@pytest.mark.parametrize(
    ("call", "args", "message"),
    [
        ("nowhere:f", {}, "ModuleNotFoundError: No module named 'nowhere'"),
        ("chores:nothing", {}, "AttributeError: module 'chores' has no attribute 'nothing'"),
        ("chores:NUMBER", {}, "TypeError: chores:NUMBER is no function but int"),
        ("chores:add", {"z": 1}, "TypeError: add() got an unexpected keyword argument 'z'"),
        ("chores:stop", {}, "exit code 3"),
        ("chores:leave", {"code": 4}, "exit code 4"),
        ("chores:leave", {"code": 0}, "chores:leave ended its process without returning"),
        ("chores:huge", {"size": 5_000_000}, "chores:huge returned more than 4 MiB of JSON data"),
    ],
)
async def test_what_goes_wrong_is_said(call: str, args: dict[str, Any], message: str) -> None:
    """In one line."""
    assert (await failure(call, args)).message == message


@pytest.mark.parametrize(("what", "kind", "inner"), [("set", "set", "set"), ("nested", "list", "object")])
async def test_a_result_that_is_no_json_data_is_refused(what: str, kind: str, inner: str) -> None:
    """By the name of the type, also where it lies deep inside."""
    assert (await failure("chores:returns", {"what": what})).message == (
        f"TypeError: chores:returns returned a value of type {kind} that is no JSON data "
        f"(Object of type {inner} is not JSON serializable); "
        "return texts, numbers, booleans, lists, dicts or None"
    )


async def test_a_timeout_ends_the_function() -> None:
    """Its process too."""
    with pytest.raises(StepTimedOut, match="timed out after 2s"):
        await python(scope(), "chores:sleep", args={"file": "pid"}, timeout=2)
    assert process_is_gone()


async def test_cancelling_ends_the_function() -> None:
    """Before it comes through."""
    running = asyncio.create_task(python(scope(), "chores:sleep", args={"file": "pid"}))
    await wait_until(lambda: written_pid() != "")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert process_is_gone()
