"""`wait`: lets time pass."""

from codegen.leaves import Wait
from steps.clock import present
from steps.executor import executor
from steps.scope import Scope
from steps.timing import limited


@executor(Wait)
async def wait(scope: Scope, duration: float, *, timeout: float | None = None) -> None:  # noqa: ARG001 - has no use for it
    """Wait for `duration` seconds; the result is None."""
    async with limited(timeout):
        await present().sleep(duration)
