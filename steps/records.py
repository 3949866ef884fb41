"""How records come about: from one execution, from many, and from a step that could not begin."""

from collections.abc import Sequence
from datetime import datetime

from codegen.result import StepError, StepRecord, StepStatus
from steps.causes import blocked_by
from steps.errors import StepFailed
from steps.events import now
from steps.scope import Outcome, Scope, Spot

Part = tuple[Sequence[Spot], StepRecord]
"""The record of one execution, and which one it is."""


def ended(
    scope: Scope,
    status: StepStatus,
    begun: datetime,
    outcome: Outcome | None = None,
    error: StepError | None = None,
) -> StepRecord:
    """The record of one execution."""
    return StepRecord(
        status=status,
        attempts=scope.attempts,
        result=scope.mask.data(outcome.result) if outcome else None,
        outputs=scope.mask.data(dict(outcome.outputs)) if outcome else {},
        error=error,
        started_at=begun,
        ended_at=now(),
        target=scope.target,
        item=scope.item,
        unconfirmed=scope.mask.text(scope.unconfirmed)
        if scope.unconfirmed and status == "cancelled"
        else None,
    )


def gathered(items: Sequence[StepRecord], begun: datetime | None) -> StepRecord:
    """The record of a step that ran once per target or item: failed if any failed, tries added up."""
    status = _together({item.status for item in items})
    return StepRecord(
        status=status,
        attempts=sum(item.attempts for item in items),
        error=next((item.error for item in items if item.status == status and item.error), None),
        items=tuple(items),
        started_at=begun,
        ended_at=now(),
    )


def refused(failure: StepFailed, scope: Scope, begun: datetime) -> StepRecord:
    """The record of a step whose condition or list could not be evaluated."""
    error = error_of(scope, failure.message)
    return StepRecord(status="failed", error=error, started_at=begun, ended_at=now())


def cancelled(scope: Scope) -> StepRecord:
    """The record of an execution that was cancelled before it began."""
    return StepRecord(
        status="cancelled", error=error_of(scope, "cancelled"), target=scope.target, item=scope.item
    )


def skipped(scope: Scope) -> StepRecord:
    """The record of an execution that the early end of the run came before."""
    return StepRecord(status="skipped", target=scope.target, item=scope.item)


def error_of(scope: Scope, message: str) -> StepError:
    """An error that happened in this execution."""
    message = scope.mask.text(message)
    return StepError(
        message=message, step=scope.step, target=scope.target, index=scope.index, place=scope.place
    )


def left(scope: Scope, status: StepStatus, around: str) -> StepRecord:
    """The record of a step inside one that ended so without having run it."""
    if status in ("skipped", "cancelled"):
        return StepRecord(status=status)
    return StepRecord(status="blocked", error=error_of(scope, blocked_by(around, status)))


def side_by_side(records: Sequence[StepRecord], spots: Sequence[Spot]) -> StepRecord:
    """The record of a step that ran inside each execution of another one."""
    items = [
        record.model_copy(update={"target": spot.target, "item": spot.item})
        for record, spot in zip(records, spots, strict=True)
    ]
    return _spanning(items)


def placed(around: StepRecord, parts: Sequence[Part]) -> StepRecord:
    """A step's record with those of some executions put in their places, the later ones over the earlier."""
    if any(not spots for spots, _ in parts):
        return parts[-1][1]
    items = list(around.items)
    places: dict[int, list[Part]] = {}
    for spots, record in parts:
        # There may have been more executions in an earlier round than in the last one.
        items += [StepRecord(status="skipped")] * (spots[0].count - len(items))
        places.setdefault(spots[0].index, []).append((spots[1:], record))
        items[spots[0].index] = items[spots[0].index].model_copy(
            update={"target": spots[0].target, "item": spots[0].item}
        )
    for index, inner in places.items():
        about = {"target": items[index].target, "item": items[index].item}
        items[index] = placed(items[index], inner).model_copy(update=about)
    return _spanning(items)


def _spanning(items: Sequence[StepRecord]) -> StepRecord:
    """From the first start of an item to the last end of one; without either where none has run."""
    begun = [item.started_at for item in items if item.started_at]
    over = [item.ended_at for item in items if item.ended_at]
    return gathered(items, min(begun, default=None)).model_copy(update={"ended_at": max(over, default=None)})


def _together(statuses: set[StepStatus]) -> StepStatus:
    for worst in ("lost", "failed", "blocked", "cancelled"):
        if worst in statuses:
            return worst
    return "skipped" if statuses <= {"skipped"} else "succeeded"
