"""Why a run did not succeed, in one sentence."""

from datetime import datetime

from codegen.result import Receipt, Report, StepError, Unconfirmed
from codegen.suggestions import listed

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


def cancellation(report: Report) -> str:
    """What a cancellation stopped, what may go on, what never began, and what had failed all the same."""
    said = [] if report.receipt is None else [*_received(report.receipt)]
    if report.error is not None:
        said.append(told(report.error))
    return with_leftovers(report, f"Cancelled: {'; '.join(said)}" if said else "Cancelled")


def times_of(receipt: Receipt) -> str:
    """When it was asked for, and how long it took."""
    asked = f"asked at {_moment(receipt.asked_at)}"
    if receipt.confirmed_at is None:
        return asked
    seconds = max(0.0, (receipt.confirmed_at - receipt.asked_at).total_seconds())
    return f"{asked}, confirmed {seconds:.1f} s later"


def _moment(time: datetime) -> str:
    return time.isoformat(" ", "seconds").replace("+00:00", " UTC")


def _received(receipt: Receipt) -> list[str]:
    stopped, unconfirmed = receipt.stopped, receipt.unconfirmed
    said = ["no main step was running"]
    if receipt.running:
        names = f": {listed(stopped)}" if stopped else ""
        said = [f"stopped {len(stopped)} of {receipt.running} {_steps(receipt.running)}{names}"]
    if unconfirmed:
        said.append(f"{len(unconfirmed)} unconfirmed: {listed(map(_doubt, unconfirmed))}")
    if never := len(receipt.never_began):
        said.append(f"{never} {_steps(never)} did not start")
    return said


def _doubt(one: Unconfirmed) -> str:
    return f"{placed(one.step, one.place)} ({one.reason})"


def _steps(count: int) -> str:
    return "step" if count == 1 else "steps"
