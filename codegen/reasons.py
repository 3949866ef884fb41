"""Why a run did not succeed, in one sentence."""

from codegen.result import Report, StepError


def failure(report: Report) -> str:
    """Which step failed, and why, or why the workflow did as a whole; and what could not be undone."""
    error = report.error
    if error is None:
        return with_leftovers(report, "the workflow failed")
    where = f"step {error.step!r}{place(error.target, error.index)} failed: " if error.step else ""
    return with_leftovers(report, where + error.message)


def with_leftovers(report: Report, reason: str) -> str:
    """The reason, and the steps that could not be undone."""
    return "; ".join([reason, *map(_not_undone, report.not_undone)])


def _not_undone(error: StepError) -> str:
    return f"{error.step}{place(error.target, error.index)} could not be undone: {error.message}"


def place(target: str | None, index: int | None) -> str:
    """Which execution of a step it was, as people say it after the step's name."""
    if target is not None:
        return f" on {target}"
    return "" if index is None else f" [{index}]"
