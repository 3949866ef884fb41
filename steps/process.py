"""The one place where steps run programs: output told live, failures in plain words."""

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from steps.child import run_child
from steps.environment import environment
from steps.errors import StepFailed
from steps.output import Output
from steps.places import places
from steps.scope import Scope
from steps.timing import timed_out

LONGEST_REASON = 500


async def run_process(
    scope: Scope,
    arguments: Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Run a program without standard input: `{stdout, stderr, exit_code}`, the last 256 KiB of each stream.

    Where more came, `truncated` says how many bytes of a stream were left out; `stored` says where all of it
    is, where it is stored. Any exit code but 0 is a `StepFailed` with the same result.
    """
    variables = environment(scope, env)
    _check(arguments, cwd, variables)
    output = Output(scope)
    left: list[str] = []
    try:
        async with places():
            exit_code = await run_child(
                arguments,
                cwd=cwd,
                env=variables,
                stdout=output.stdout,
                stderr=output.stderr,
                timeout=timeout,
                survived=left.append,
                valve=output.valve,
            )
        await output.close()
    except TimeoutError as error:
        await output.close()
        raise timed_out(timeout or 0, output.result(None), *left) from error
    finally:
        scope.unconfirmed = "; ".join(left) or None
        await output.break_off()
    if exit_code:
        raise StepFailed(_reason(exit_code, output.last_error), output.result(exit_code))
    return output.result(exit_code)


def _reason(exit_code: int, stderr: str) -> str:
    how = f"exit code {exit_code}" if exit_code > 0 else f"killed by {_signal_name(-exit_code)}"
    last = next((line.strip() for line in reversed(stderr.splitlines()) if line.strip()), "")
    return f"{how}: {last[:LONGEST_REASON]}" if last else how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _check(arguments: Sequence[str], cwd: str | None, variables: Mapping[str, str]) -> None:
    """Say beforehand what the kernel would say in its own words, or a shell in its own."""
    if not arguments:
        raise StepFailed("the list of arguments is empty; its first one names the program")
    if cwd is not None and not Path(cwd).is_dir():
        raise StepFailed(f"working directory {cwd!r} does not exist")
    for text in (*arguments, *variables, *variables.values()):
        if "\0" in text:
            raise StepFailed(
                "a command, argument or variable holds a NUL character, which no program can take"
            )
    program = arguments[0]
    if os.sep in program:
        if not os.access(Path(cwd or ".", program), os.X_OK):
            raise StepFailed(f"program {program!r} does not exist or is not executable")
    elif shutil.which(program, path=variables.get("PATH", os.defpath)) is None:
        raise StepFailed(f"program {program!r} not found on PATH")
