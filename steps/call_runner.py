"""The child process of a `python` step: calls one function. Knows nothing but the standard library.

    python -P call_runner.py FOLDER/request.json

The request is `{"call": "package.module:function", "args": {...}}`. Beside it `answer.json` is written:
`{"value": ...}` or `{"error": "..."}`. What the function prints goes where prints go.
"""

import asyncio
import importlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(file: Path) -> int:
    """Answer one request. Returns the exit code."""
    request = json.loads(file.read_text(encoding="utf-8"))
    sys.path.insert(0, os.getcwd())
    try:
        value = called(find(request["call"]), request["args"])
        answer = {"value": json_value(value, request["call"])}
    except Exception as error:  # noqa: BLE001 - whatever the function raises is its answer
        tell(error)
        answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")}
    sys.stdout.flush()
    file.with_name("answer.json").write_text(json.dumps(answer), encoding="utf-8")
    return 1 if "error" in answer else 0


def find(call: str) -> Callable[..., Any]:
    """The function that `package.module:function` names."""
    module, _, name = call.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{call} is no function but {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def called(function: Callable[..., Any], args: dict[str, Any]) -> Any:
    """What the function returns; coroutine functions are run."""
    value = function(**args)
    return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value


def tell(error: Exception) -> None:
    """Print the traceback, beginning with the first line that isn't ours."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    traceback.print_exception(error.with_traceback(trace))


async def _awaited(value: Any) -> Any:
    return await value


def json_value(value: Any, call: str) -> Any:
    """The value, if it is JSON data; TypeError names the type that is none."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"{call} returned a value of type {type(value).__name__} that is no JSON data ({error}); "
            "return texts, numbers, booleans, lists, dicts or None"
        ) from None
    return value


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
