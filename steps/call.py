"""`python`: calls an importable function in a process of its own."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codegen.leaves import Python
from steps.data import json_data
from steps.errors import StepFailed, StepTimedOut
from steps.executor import executor
from steps.private_file import private_file
from steps.process import run_process
from steps.scope import Scope

# Run as a file, not as a module: `steps` and all it imports would cost the child 0.3 s.
RUNNER = Path(__file__).with_name("call_runner.py")
LONGEST_ANSWER = 4 * 1024 * 1024


@executor(Python)
async def python(
    scope: Scope, call: str, *, args: Mapping[str, Any] | None = None, timeout: float | None = None
) -> Any:
    """Call `package.module:function` with keyword arguments; the result is what it returns, as JSON data.

    The working directory is importable. What the function prints becomes log lines, also its traceback.
    """
    request = json.dumps({"call": call, "args": json_data(dict(args or {}), "args")})
    with private_file("request.json", request) as file:
        try:
            await run_process(scope, [sys.executable, "-P", str(RUNNER), str(file)], timeout=timeout)
        except StepTimedOut:
            raise
        except StepFailed as failure:
            raise StepFailed(_answer(file, call).get("error", failure.message)) from failure
        answer = _answer(file, call)
    if "value" not in answer:
        raise StepFailed(f"{call} ended its process without returning")
    return answer["value"]


def _answer(request: Path, call: str) -> dict[str, Any]:
    file = request.with_name("answer.json")
    if not file.exists():
        return {}
    if file.stat().st_size > LONGEST_ANSWER:
        raise StepFailed(f"{call} returned more than {LONGEST_ANSWER // 1024**2} MiB of JSON data")
    answer: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return answer
