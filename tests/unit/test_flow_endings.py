"""What a run says of itself that did not succeed."""

from datetime import UTC, datetime

import pytest

from codegen.result import Report, StepError, StepRecord
from flows.endings import unsuccessful, why

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RAN = StepRecord(status="succeeded", started_at=NOW)
STOPPED = StepRecord(status="cancelled", started_at=NOW)
WAITING = StepRecord(status="cancelled")
LEAVES = ("a", "b", "c")


def report(*, cancelled: bool = False, error: StepError | None = None, **steps: StepRecord) -> Report:
    success = not cancelled and error is None
    return Report(
        success=success, cancelled=cancelled, error=error, steps=steps, start_time=NOW, end_time=NOW
    )


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (report(a=RAN), None),
        (report(error=StepError(message="exit code 1", step="a")), "step 'a' failed: exit code 1"),
        (report(cancelled=True, a=RAN, b=STOPPED, c=WAITING), "stopped b; 1 step did not start"),
        (report(cancelled=True, a=WAITING, b=WAITING), "nothing was running; 2 steps did not start"),
        (report(cancelled=True, group=STOPPED, a=STOPPED, other=WAITING), "stopped a; 0 steps did not start"),
        (report(cancelled=True, error=StepError(message="x", step="a"), b=STOPPED), "stopped b; 0 steps"),
    ],
)
def test_the_reason(ended: Report, told: str | None) -> None:
    """What failed first, or what was ended; groups aren't steps that run, and success needs no reason."""
    reason = why(ended, LEAVES)
    state = unsuccessful(ended, reason, "the data")
    if told is None:
        assert (reason, state) == (None, None)
        return
    assert reason is not None
    assert told in reason
    assert state is not None
    assert (state.name, state.message) == ("Cancelled" if ended.cancelled else "Failed", reason)
