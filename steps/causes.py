"""Why: the failure to report for a run or a group, and what blocked a step."""

from collections.abc import Iterable, Mapping

from codegen.result import FINAL, SATISFIED, StepError, StepRecord, StepStatus
from steps.work import Work


def first_failure(
    works: Iterable[Work], steps: Mapping[str, StepRecord], under: str | None = None
) -> StepError | None:
    """The error of the first step below a group that failed by itself; else of the first that was blocked.

    First in the order of the document. What a tolerated failure covers does not count.
    `works` holds parents before their children.
    """
    counting, blocked = {under}, None
    for work in works:
        record = steps[work.id]
        if work.node.parent not in counting or (work.node.tolerated and record.status == "failed"):
            continue
        counting.add(work.id)
        if _failed_itself(work, record):
            return record.error
        if record.status == "blocked" and blocked is None:
            blocked = record.error
    return blocked


def any_lost(works: Iterable[Work], steps: Mapping[str, StepRecord]) -> bool:
    """Whether of one of these steps nobody knows whether it did its work."""
    return any(steps[work.id].status == "lost" for work in works)


def why_blocked(work: Work, steps: Mapping[str, StepRecord]) -> str:
    """What is said of a step that could not start."""
    for id in (*work.node.after, work.node.parent):
        if id is not None and steps[id].status in FINAL - SATISFIED:
            return blocked_by(id, steps[id].status)
    return "blocked"


def blocked_by(id: str, status: StepStatus) -> str:
    """What is said of a step that could not start because another one ended so."""
    return f"blocked because {id} {'failed' if status == 'failed' else f'was {status}'}"


def _failed_itself(work: Work, record: StepRecord) -> bool:
    if record.status not in ("failed", "lost") or record.error is None:
        return False
    return not work.is_frame or record.error.step == work.id
