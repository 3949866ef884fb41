"""A run's events as a log that people read."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from celery_bridge.relay import LINES_AT_ONCE, LINES_PER_SECOND, LONG_LINE, Relay
from steps.events import Event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def logged() -> Iterator[list[tuple[str, str]]]:
    """What the logger `relay` was given: levels and texts."""
    records: list[tuple[str, str]] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append((record.levelname, record.getMessage()))

    logger, keeps = logging.getLogger("relay"), Keeps()
    logger.setLevel(logging.INFO)
    logger.addHandler(keeps)
    yield records
    logger.removeHandler(keeps)


def relay(heard: list[Event] | None = None) -> Relay:
    return Relay(logging.getLogger("relay"), (heard if heard is not None else []).append)


def test_a_run_reads_as_sentences(logged: list[tuple[str, str]]) -> None:
    """Starts, lines, retries, and ends with their duration; failures stand out; all are passed on."""
    events = [
        Event("kept", "", text="copy, pack [0]", time=at(0)),
        Event("started", "usage", time=at(0)),
        Event("line", "usage", text="81%", time=at(0.1)),
        Event("ended", "usage", status="succeeded", time=at(0.21)),
        Event("started", "clean", place="on web", time=at(1), position="step 2 of 2"),
        Event("retrying", "clean", place="on web", text="exit code 1; try 2 of 3 in 1s", time=at(2)),
        Event("ended", "clean", place="on web", status="failed", text="exit code 1", time=at(3)),
    ]
    heard: list[Event] = []
    listen = relay(heard)
    for event in events:
        listen(event)
    assert heard == events
    assert logged == [
        ("INFO", "Kept from before: copy, pack [0]"),
        ("INFO", "usage started"),
        ("INFO", "usage: 81%"),
        ("INFO", "usage succeeded in 0.2s"),
        ("INFO", "clean on web started (step 2 of 2)"),
        ("WARNING", "clean on web failed: exit code 1; try 2 of 3 in 1s"),
        ("ERROR", "clean on web failed in 2.0s: exit code 1"),
    ]


def test_output_is_never_a_format(logged: list[tuple[str, str]]) -> None:
    """Percent signs are text."""
    relay()(Event("line", "a", text="100% %s %(x)s", time=at(0)))
    assert logged == [("INFO", "a: 100% %s %(x)s")]


def test_a_flood_is_thinned_out_and_counted(logged: list[tuple[str, str]]) -> None:
    """A burst passes, then so many a second; the gap is named where it is; ends are never left out."""
    heard: list[Event] = []
    listen = relay(heard)
    for number in range(LINES_AT_ONCE + 70):
        listen(Event("line", "a", stream="stdout", text=str(number), time=at(0)))
    listen(Event("line", "a", stream="stdout", text="later", time=at(1)))
    for number in range(200):
        listen(Event("line", "a", stream="stdout", text=str(number), time=at(1)))
    listen(Event("ended", "a", status="succeeded", time=at(1)))
    texts = [text for _, text in logged]
    assert len(heard) == LINES_AT_ONCE + 70 + 1 + 200 + 1
    assert texts[LINES_AT_ONCE : LINES_AT_ONCE + 2] == [
        "… 70 lines left out: too fast for the log",
        "a: later",
    ]
    left_out = 200 - (LINES_PER_SECOND - 1)
    assert texts[-2:] == [f"… {left_out:.0f} lines left out: too fast for the log", "a succeeded in 0.0s"]


def test_long_lines_count_as_several(logged: list[tuple[str, str]]) -> None:
    """What the log takes is bounded in bytes, too; what no program wrote is always in it."""
    listen = relay()
    for _ in range(LINES_AT_ONCE):
        listen(Event("line", "a", stream="stdout", text="x" * 9 * LONG_LINE, time=at(0)))
    listen(Event("line", "a", stream="log", text="All of stdout: there", time=at(0)))
    taken = [text for _, text in logged if text.startswith("a: x")]
    assert len(taken) == LINES_AT_ONCE // 10
    assert logged[-1] == ("INFO", "a: All of stdout: there")
