"""`validation`: fails unless what should hold holds."""

from collections.abc import Sequence
from typing import Any

from codegen.leaves import Validation
from steps.data import plain_text
from steps.errors import StepFailed
from steps.executor import executor
from steps.scope import Scope


@executor(Validation)
async def validation(
    scope: Scope,
    that: str | Sequence[str],
    *,
    message: str | None = None,
    timeout: float | None = None,  # noqa: ARG001 - takes no time
) -> dict[str, Any]:
    """Check one expression or several: `{checked}`. The failure names every expression that isn't true."""
    checks = [that] if isinstance(that, str) else list(that)
    failed = [check for check in checks if not scope.evaluate(check)]
    if failed:
        reason = plain_text(message) if message is not None else f"not true: {'; '.join(failed)}"
        raise StepFailed(reason, {"checked": len(checks), "failed": failed})
    return {"checked": len(checks)}
