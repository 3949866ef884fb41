"""When a run that waits without a process looks again, and what it leaves behind for that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from celery_bridge.errors import SettingsError
from control.waiting import LONGEST, SHORTEST, next_look
from flows.journals import Book, questions_of
from flows.suspension import patience
from steps.entries import Entry

NOW = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("waited", "left", "seconds"),
    [
        (1, 86_400, SHORTEST),
        (400, 86_400, 100),
        (86_400, 86_400, LONGEST),
        (86_400, 5, 5),
        (86_400, -5, -5),
    ],
)
def test_it_looks_less_and_less_often(waited: float, left: float, seconds: float) -> None:
    """Within bounds, and never later than it must."""
    look = next_look(NOW, NOW - timedelta(seconds=waited), NOW + timedelta(seconds=left))
    assert look == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("never", None), (" 30 ", 30.0), ("0", 0.0)])
def test_how_long_it_waits_in_its_process(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float | None
) -> None:
    """A number of seconds, or always."""
    monkeypatch.setenv("OPSCONDUCTOR_SUSPEND_AFTER", text)
    assert patience() == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "nan"])
def test_what_is_no_time(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Is refused with the variable's name and a cure."""
    monkeypatch.setenv("OPSCONDUCTOR_SUSPEND_AFTER", text)
    with pytest.raises(SettingsError, match=r"OPSCONDUCTOR_SUSPEND_AFTER=.*such as 30, or never"):
        patience()


def test_what_it_waits_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The last words of its journal: once each, and no more when it has gone on."""
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path))
    assert questions_of("run") == []
    with Book.opened("run", again=False) as book:
        book.begin(document={}, engine="prefect")
        journal = book.journal()
        for key in ("a", "b", "a"):
            book.add(Entry("waits", key, time=NOW))
        journal.abandon()
        journal.over()
    with Book.opened("run", again=True) as book:
        assert sorted(entry.key for entry in book.waits) == ["a", "b"]
        assert sorted(questions_of("run")) == ["a", "b"]
        journal = book.journal()
        assert (journal.attempt, journal.continued) == (1, True)
        journal.cancel("run")
    assert questions_of("run") == []
