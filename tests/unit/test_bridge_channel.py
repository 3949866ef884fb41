"""What worker and follower say to each other."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_bridge.channel import (
    LONGEST_TEXT,
    ROOM_FOR_A_NOTE,
    Claim,
    Refusal,
    bounded,
    is_last,
    read,
    written,
)
from celery_bridge.fitting import dumped, fitted
from codegen.result import LogLine, Report, StepRecord
from steps.events import Event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANY_TEXT = st.text(st.characters())  # lone surrogates too: programs write what they like
SOUND_TEXT = st.text()
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | SOUND_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.builds(
    Event,
    kind=st.sampled_from(["started", "line", "retrying", "ended"]),
    step=st.text(max_size=10),
    index=st.none() | st.integers(0, 100),
    target=st.none() | st.text(max_size=10),
    text=ANY_TEXT,
    stream=st.sampled_from(["stdout", "stderr", "log"]),
    status=st.sampled_from(["", "succeeded", "failed"]),
    time=st.datetimes(timezones=st.just(UTC)),
)
REPORTS = st.builds(
    Report,
    success=st.booleans(),
    outputs=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
    steps=st.dictionaries(
        st.text(max_size=5), st.builds(StepRecord, result=JSON, started_at=st.just(NOON)), max_size=3
    ),
    logs=st.lists(
        st.builds(
            LogLine, time=st.just(NOON), step=st.text(max_size=5), stream=st.just("log"), text=SOUND_TEXT
        ),
        max_size=3,
    ).map(tuple),
    start_time=st.just(NOON),
    end_time=st.just(NOON),
)


@given(EVENTS)
def test_an_event_arrives_as_it_was(event: Event) -> None:
    """Over the wire as UTF-8, whatever it contains."""
    fields = written(event)
    assert read({key: value.encode().decode() for key, value in fields.items()}) == event
    assert not is_last(fields)


@given(REPORTS)
def test_a_report_arrives_as_it_was(report: Report) -> None:
    """The last entry, whatever it contains."""
    fields = written(report)
    assert is_last(fields)
    arrived = read({key: value.encode().decode() for key, value in fields.items()})
    assert isinstance(arrived, Report)
    assert arrived.model_dump(mode="python") == report.model_dump(mode="python")


@pytest.mark.parametrize("entry", [Claim("worker@host"), Refusal("it's no document")])
def test_other_entries_arrive_as_they_were(entry: Claim | Refusal) -> None:
    """A claim is not the last entry, a refusal is."""
    assert read(written(entry)) == entry
    assert is_last(written(entry)) == isinstance(entry, Refusal)


def test_entries_of_a_newer_version_are_skipped() -> None:
    """A worker may know more than its follower."""
    assert read({"colour": "green"}) is None


def test_a_long_line_is_cut() -> None:
    """And says how much is missing."""
    event = read(written(Event("line", "a", text="x" * (LONGEST_TEXT + 700))))
    assert isinstance(event, Event)
    assert event.text == "x" * LONGEST_TEXT + "… (700 more characters)"


@given(st.integers(0, 3 * LONGEST_TEXT))
def test_a_line_is_cut_once(size: int) -> None:
    """A line that was cut before it had to wait stays as it is."""
    cut = bounded(Event("line", "a", text="x" * size))
    assert bounded(cut) == cut
    assert len(cut.text) <= LONGEST_TEXT + ROOM_FOR_A_NOTE


def report_of(steps: dict[str, StepRecord], lines: int = 0, **keys: Any) -> Report:
    logs = tuple(LogLine(time=NOON, step="a", stream="stdout", text=f"{n} " + "x" * 90) for n in range(lines))
    return Report(success=True, steps=steps, logs=logs, start_time=NOON, end_time=NOON, **keys)


def test_a_report_that_fits_is_complete() -> None:
    """Nothing is left out without need."""
    report = report_of({"a": StepRecord(result={"x": 1})}, lines=1000)
    assert Report.model_validate_json(fitted(report)) == report


def test_old_lines_go_first() -> None:
    """The last hundred stay, with a note on the others; results stay whole."""
    report = report_of({"a": StepRecord(result="y" * 20_000)}, lines=1000)
    smaller = Report.model_validate_json(fitted(report, limit=50_000))
    assert len(smaller.logs) == 101
    assert smaller.logs[0].text.startswith("900 lines before this one were left out")
    assert smaller.logs[-1] == report.logs[-1]
    assert smaller.steps == report.steps


def test_large_values_go_next() -> None:
    """Only large ones, each replaced by a note; statuses and small values stay."""
    report = report_of(
        {"a": StepRecord(status="succeeded", result="y" * 100_000), "b": StepRecord(result={"small": 1})},
        outputs={"big": ["z" * 100_000], "small": 2},
    )
    smaller = Report.model_validate_json(fitted(report, limit=5_000))
    assert smaller.steps["a"].status == "succeeded"
    assert smaller.steps["a"].result == "left out: 100002 characters, and the report was too large"
    assert smaller.steps["b"].result == {"small": 1}
    assert smaller.outputs["small"] == 2
    assert "left out" in smaller.outputs["big"]


@given(st.integers(0, 300), st.integers(0, 3000), st.integers(0, 40))
def test_a_report_is_never_larger_than_its_limit(lines: int, size: int, items: int) -> None:
    """Down to what its steps' statuses take."""
    record = StepRecord(result="é" * size, items=tuple(StepRecord(result="x" * size) for _ in range(items)))
    text = fitted(report_of({"a": record}, lines=lines), limit=100_000)
    assert len(text.encode()) <= 100_000
    assert Report.model_validate_json(text).steps["a"].status == "pending"


def test_half_a_character_is_replaced() -> None:
    """Steps leave none in their records; a report is never lost for one."""
    arrived = Report.model_validate_json(dumped(report_of({"a": StepRecord(result="é\ud800")}, lines=1)))
    assert arrived.steps["a"].result == "é?"


def test_a_value_that_is_no_json_becomes_text() -> None:
    """A report is never lost for it."""
    report = report_of({"a": StepRecord(result={"what": object})})
    assert "object" in json.loads(dumped(report))["steps"]["a"]["result"]["what"]
