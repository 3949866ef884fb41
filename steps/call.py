"""`python`: calls an importable function in a process of its own."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from codegen.leaves import Python
from steps.data import json_data
from steps.errors import StepFailed, StepTimedOut
from steps.executor import executor
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
    with TemporaryDirectory(prefix="opsconductor-") as folder:
        request = {"call": call, "args": json_data(dict(args or {}), "args")}
        Path(folder, "request.json").write_text(json.dumps(request), encoding="utf-8")
        try:
            await run_process(scope, [sys.executable, "-P", str(RUNNER), folder], timeout=timeout)
        except StepTimedOut:
            raise
        except StepFailed as failure:
            raise StepFailed(_answer(folder).get("error", failure.message)) from failure
        return _answer(folder).get("value")


def _answer(folder: str) -> dict[str, Any]:
    file = Path(folder, "answer.json")
    if not file.exists():
        return {}
    if file.stat().st_size > LONGEST_ANSWER:
        raise StepFailed(f"the function returned more than {LONGEST_ANSWER // 1024**2} MiB of JSON data")
    answer: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return answer
