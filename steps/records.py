"""How records come about: from one execution, from many, and from a step that could not begin."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from codegen.result import StepError, StepRecord, StepStatus
from steps.errors import StepFailed
from steps.events import now
from steps.scope import Outcome, Scope


def ended(
    scope: Scope,
    status: StepStatus,
    begun: datetime,
    outcome: Outcome | None = None,
    message: str | None = None,
) -> StepRecord:
    """The record of one execution."""
    error = None
    if message is not None:
        error = StepError(message=message, step=scope.step, target=scope.target, index=scope.index)
    return StepRecord(
        status=status,
        attempts=scope.attempts,
        result=outcome.result if outcome else None,
        outputs=dict(outcome.outputs) if outcome else {},
        error=error,
        started_at=begun,
        ended_at=now(),
        target=scope.target,
        item=scope.item,
    )


def gathered(items: Sequence[StepRecord], begun: datetime) -> StepRecord:
    """The record of a step that ran once per target or item: failed if any failed, tries added up."""
    status = _together({item.status for item in items})
    return StepRecord(
        status=status,
        attempts=sum(item.attempts for item in items),
        error=next((item.error for item in items if item.status == status), None),
        items=tuple(items),
        started_at=begun,
        ended_at=now(),
    )


def refused(failure: StepFailed, step: str, begun: datetime) -> StepRecord:
    """The record of a step whose condition or list could not be evaluated."""
    error = StepError(message=failure.message, step=step)
    return StepRecord(status="failed", error=error, started_at=begun, ended_at=now())


def cancelled(step: str, target: str | None = None, item: Any = None, index: int | None = None) -> StepRecord:
    """The record of an execution that was cancelled before it began."""
    error = StepError(message="cancelled", step=step, target=target, index=index)
    return StepRecord(status="cancelled", error=error, target=target, item=item)


def _together(statuses: set[StepStatus]) -> StepStatus:
    for worst in ("failed", "lost", "cancelled"):
        if worst in statuses:
            return worst
    return "skipped" if statuses <= {"skipped"} else "succeeded"
