"""The files in which the runs in Prefect keep what they did."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from codegen.result import StepRecord
from flows.journals import KEPT_FOR, Book, RunTaken, is_open
from steps.errors import StepFailed
from steps.journal import Entry, Journal

DONE = StepRecord(status="succeeded", attempts=1, outputs={"n": 42})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the journals are kept."""
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path))
    return tmp_path / "journals"


def settled(journal: Journal) -> Journal:
    journal.settle("run", lambda past, start: list(past))
    return journal


def begun(run_id: str = "run") -> None:
    """A life that did one step and died in another."""
    with Book.opened(run_id, again=False) as book:
        book.begin(document={"name": "x"}, engine="prefect")
        journal = book.journal()
        journal.tried(f"{run_id}.a", DONE)
        asyncio.run(journal.begin(f"{run_id}.b"))


def test_the_next_life_reads_what_the_last_one_wrote() -> None:
    """The run it was, the records, and what had begun."""
    begun()
    with Book.opened("run", again=True) as book:
        assert book.about == {"document": {"name": "x"}, "engine": "prefect"}
        journal = settled(book.journal())
    assert journal.continued
    past = journal.past("run.a")
    assert past is not None
    assert past.record == DONE
    assert journal.past("run.a") is None
    lost = journal.past("run.b")
    assert lost is not None
    assert lost.record is None


def test_after_its_end_a_run_is_tried_anew() -> None:
    """The try is a new one, and is told from which step on."""
    begun()
    with Book.opened("run", again=True) as book:
        book.journal().over()
    with Book.opened("run", again=True) as book:
        journal = book.journal("a")
        starts: list[str | None] = []

        def keep(past: Sequence[Entry], start: str | None) -> list[Entry]:
            starts.append(start)
            return list(past)

        journal.settle("run", keep)
    assert (journal.attempt, journal.continued, starts) == (2, False, ["a"])
    with Book.opened("run", again=True) as book:
        assert (book.journal().attempt, book.journal().continued) == (2, True)


def test_a_step_named_to_begin_from_makes_a_new_try() -> None:
    """Also of a run whose process died."""
    begun()
    with Book.opened("run", again=True) as book:
        assert book.journal("a").attempt == 2


def test_a_line_that_a_death_cut_short_is_left_out(folder: Path) -> None:
    """What is written after it can be read."""
    begun()
    with (folder / "run.jsonl").open("ab") as file:
        file.write(b'{"kind": "tri')
    with Book.opened("run", again=True) as book:
        book.journal().tried("run.c", DONE)
    lines = [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()]
    assert [line.get("key") for line in lines] == [None, None, "run.a", "run.b", "run.c"]


def test_one_process_at_a_time() -> None:
    """Another one is told so, and may ask."""
    assert is_open("run") is None
    with Book.opened("run", again=False):
        assert is_open("run") is True
        with pytest.raises(RunTaken, match="another process is at the run run"):
            Book.opened("run", again=True)
    assert is_open("run") is False


@pytest.mark.parametrize("writable", [True, False])
def test_what_is_not_known_is_not_started_twice(folder: Path, writable: bool) -> None:
    """A run that began elsewhere, or whose beginning can't be written down."""
    if not writable:
        folder.write_text("no folder")
    with Book.opened("run", again=True) as book:
        book.begin(document={}, engine="prefect")
        journal = book.journal()
        journal.tried("run.a", DONE)
        with pytest.raises(StepFailed, match="not started: "):
            asyncio.run(journal.begin("run.b"))


def test_what_nobody_has_written_to_for_long_goes(folder: Path) -> None:
    """Looked for once a day."""
    begun("old")
    begun("new")
    old = time.time() - KEPT_FOR - 1
    for file in (folder / "old.jsonl", folder / ".looked-through"):
        os.utime(file, (old, old))
    begun("newest")
    assert {file.name for file in folder.glob("*.jsonl")} == {"new.jsonl", "newest.jsonl"}
    assert folder.stat().st_mode & 0o077 == 0
