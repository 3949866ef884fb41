"""How the record of a step that ran many times follows from those of its items."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.result import StepError, StepRecord, StepStatus
from steps.events import now
from steps.records import gathered, placed, side_by_side
from steps.scope import Spot

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


SPOTS = [Spot(index, 2, item=item) for index, item in enumerate("xy")]


def test_a_step_that_ran_in_no_execution_has_no_times() -> None:
    """Only what ran has a start and an end."""
    none_ran = side_by_side([item("skipped"), item("skipped")], SPOTS)
    assert (none_ran.status, none_ran.started_at, none_ran.ended_at) == ("skipped", None, None)
    put = placed(StepRecord(status="skipped"), [(SPOTS[1:], item("skipped"))])
    assert (put.status, put.started_at, put.ended_at) == ("skipped", None, None)


def test_a_record_is_put_in_its_place() -> None:
    """Beside those that are there; the times are those of the first and of the last item."""
    first, second = [
        StepRecord(status=end, started_at=now(), ended_at=now()) for end in ("succeeded", "failed")
    ]
    put = placed(StepRecord(status="skipped"), [(SPOTS[1:], second), (SPOTS[:1], first)])
    assert [(one.status, one.item) for one in put.items] == [("succeeded", "x"), ("failed", "y")]
    assert (put.status, put.started_at, put.ended_at) == ("failed", first.started_at, second.ended_at)


def test_a_record_inside_of_executions_inside_of_executions() -> None:
    """Each level has as many items as it has executions."""
    put = placed(StepRecord(status="skipped"), [([SPOTS[1], Spot(2, 3)], item("succeeded"))])
    assert [[one.status for one in around.items] for around in put.items] == [
        [],
        ["skipped", "skipped", "succeeded"],
    ]


def test_a_record_of_an_earlier_and_longer_round() -> None:
    """The last round had fewer executions: there is a place for it all the same."""
    last = side_by_side([item("succeeded")], [Spot(0, 1, None, "z")])
    put = placed(last, [([Spot(2, 3, None, "x")], item("failed"))])
    assert [(one.status, one.item) for one in put.items] == [
        ("succeeded", "z"),
        ("skipped", None),
        ("failed", "x"),
    ]
