"""Why a run did not succeed, in one sentence."""

from codegen.result import Report, StepError

LOST = "Lost"
"""What the state of a run is called of which is not known what it did last."""


def failure(report: Report) -> str:
    """Which step failed, and why, or why the workflow did as a whole; and what could not be undone."""
    return with_leftovers(report, "the workflow failed" if report.error is None else told(report.error))


def told(error: StepError) -> str:
    """Which step failed, and why."""
    where = f"step {placed(repr(error.step), error.place)} failed: " if error.step else ""
    return where + error.message


def with_leftovers(report: Report, reason: str) -> str:
    """The reason, and the steps that could not be undone."""
    return "; ".join([reason, *map(not_undone, report.not_undone)])


def not_undone(error: StepError) -> str:
    """Which step could not be undone, and why."""
    return f"{placed(error.step, error.place)} could not be undone: {error.message}"


def placed(step: str, place: str) -> str:
    """How people name an execution of a step: `usage`, `usage on web-1`, `usage [2][0]`."""
    return f"{step} {place}" if place else step
