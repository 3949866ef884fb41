"""Why a run did not succeed, in one sentence."""

from codegen.result import Report, StepError


def failure(report: Report) -> str:
    """Which step failed, and why, or why the workflow did as a whole; and what could not be undone."""
    error = report.error
    if error is None:
        reason = "the workflow failed"
    else:
        reason = f"step {error.step!r} failed: {error.message}" if error.step else error.message
    return with_leftovers(report, reason)


def with_leftovers(report: Report, reason: str) -> str:
    """The reason, and the steps that could not be undone."""
    return "; ".join([reason, *map(_not_undone, report.not_undone)])


def _not_undone(error: StepError) -> str:
    place = f" on {error.target}" if error.target else "" if error.index is None else f" [{error.index}]"
    return f"{error.step}{place} could not be undone: {error.message}"
