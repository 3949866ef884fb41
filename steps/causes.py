"""Why: the failure to report for a run or a group, what blocked a step, and what a lost one means."""

from collections.abc import Iterable, Mapping

from codegen.result import FINAL, SATISFIED, StepError, StepRecord, StepStatus
from steps.scope import Scope
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


def why_lost(scope: Scope, *, undone: bool) -> str:
    """What is to be said of a step that began, or that began to be `undone`, in a process that died."""
    journal = scope.surroundings.journal
    step = scope.path.partition("/")[0]
    start = journal.owners.get(step, step)
    what, unknown = ("undoing it", "it is undone") if undone else ("it", "it did its work")
    again = "it" if start == scope.path else repr(start)
    return (
        f"{what} had begun when the process that ran it died, so nobody knows whether {unknown}, and as "
        f"{'that' if undone else 'it'} is not idempotent it is not started again by itself. Find out; then "
        f"`opsconductor retry {journal.run_id} --from {start}` runs {again} again"
    )
