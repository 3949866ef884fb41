"""`fail` and `stop`: the run ends here."""

from typing import NoReturn

from codegen.leaves import Fail, Stop
from steps.data import plain_text
from steps.errors import StepFailed
from steps.executor import executor
from steps.scope import Outcome, Scope


@executor(Fail)
async def fail(scope: Scope, message: str, *, timeout: float | None = None) -> NoReturn:  # noqa: ARG001 - takes no time
    """Fail with a message."""
    raise StepFailed(plain_text(message))


@executor(Stop)
async def stop(scope: Scope, message: str = "", *, timeout: float | None = None) -> Outcome:  # noqa: ARG001 - takes no time
    """End the run early, successfully: what has not started is skipped, what runs may finish."""
    if message:
        scope.line(plain_text(message))
    return Outcome(stops=True)
