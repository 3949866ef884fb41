"""`script`: runs a script of several lines."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from codegen.leaves import Script
from steps.data import words
from steps.executor import executor
from steps.private_file import private_file
from steps.process import run_process
from steps.scope import Scope

Language = Literal["bash", "sh", "python"]
INTERPRETERS: Mapping[Language, str] = {"bash": "bash", "sh": "/bin/sh", "python": sys.executable}


@executor(Script)
async def script(
    scope: Scope,
    script: str,
    *,
    language: Language = "bash",
    args: Sequence[str] | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Run a script from a file that only we can read: `{stdout, stderr, exit_code}`."""
    with private_file("script", script) as file:
        arguments = [INTERPRETERS[language], str(file), *words(args or (), "argument")]
        return await run_process(scope, arguments, cwd=cwd, env=env, timeout=timeout)
