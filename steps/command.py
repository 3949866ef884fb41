"""`command`: runs a command."""

from collections.abc import Mapping, Sequence
from typing import Any

from codegen.leaves import Command
from steps.data import words
from steps.executor import executor
from steps.process import run_process
from steps.scope import Scope


@executor(Command)
async def command(
    scope: Scope,
    command: str | Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Run a text with `/bin/sh -c`, a list of arguments without a shell: `{stdout, stderr, exit_code}`."""
    arguments = ["/bin/sh", "-c", command] if isinstance(command, str) else words(command, "argument")
    return await run_process(scope, arguments, cwd=cwd, env=env, timeout=timeout)
