"""How the record of a step that ran many times follows from those of its items."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.result import StepError, StepRecord, StepStatus
from steps.events import now
from steps.records import gathered

ITEM_ENDS: list[StepStatus] = ["succeeded", "failed", "skipped", "cancelled", "lost"]


def item(status: StepStatus, message: str = "") -> StepRecord:
    error = StepError(message=message, step="a") if message else None
    return StepRecord(status=status, attempts=2, error=error)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["succeeded", "succeeded"], "succeeded"),
        (["succeeded", "skipped"], "succeeded"),
        (["skipped", "skipped"], "skipped"),
        (["succeeded", "failed", "cancelled"], "failed"),
        (["succeeded", "lost", "cancelled"], "lost"),
        (["succeeded", "cancelled"], "cancelled"),
    ],
)
def test_the_worst_item_decides(items: list[StepStatus], expected: StepStatus) -> None:
    """Failed before lost before cancelled; skipped only if all were."""
    assert gathered([item(status) for status in items], now()).status == expected


@given(st.lists(st.sampled_from(ITEM_ENDS), min_size=1))
def test_order_means_nothing_and_tries_add_up(ends: list[StepStatus]) -> None:
    """Success means that no item ended badly."""
    record = gathered([item(status) for status in ends], now())
    assert record.status == gathered([item(status) for status in reversed(ends)], now()).status
    assert record.attempts == 2 * len(ends)
    assert (record.status in ("succeeded", "skipped")) == set(ends).issubset({"succeeded", "skipped"})


def test_the_error_belongs_to_the_status() -> None:
    """An item that was cancelled before another failed does not give the step its error."""
    record = gathered(
        [item("cancelled", "cancelled"), item("failed", "first"), item("failed", "second")], now()
    )
    assert record.error is not None
    assert record.error.message == "first"
