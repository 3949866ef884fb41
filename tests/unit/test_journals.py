"""The files in which the runs in Prefect keep what they did."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from codegen.document import canonical, parse
from codegen.result import StepRecord
from flows.journals import KEPT_FOR, Book, RunTaken, document_of, is_open
from steps.entries import Entry, Unreadable
from steps.errors import StepFailed
from steps.interpreter import interpret
from steps.journal import Journal
from steps.secret_values import Secrets, usual_lookups

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


def test_others_can_tell_what_a_run_ran(folder: Path) -> None:
    """While a process is at it and later; of a run that did not get that far, or was elsewhere, nothing."""
    with Book.opened("run", again=False) as book:
        assert document_of("run") is None
        book.begin(document={"name": "x"}, engine="prefect")
        assert document_of("run") == {"name": "x"}
    assert document_of("run") == {"name": "x"}
    assert document_of("other") is None
    (folder / "run.jsonl").write_bytes(b"what?\n")
    assert document_of("run") is None


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
    assert [line["key"] for line in lines if "key" in line] == ["run.a", "run.b", "run.c"]


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
    with Book.opened("waits", again=False):
        for file in (folder / "old.jsonl", folder / "waits.jsonl", folder / ".looked-through"):
            os.utime(file, (old, old))
        begun("newest")
    assert {file.stem for file in folder.glob("*.jsonl")} == {"new", "waits", "newest"}
    assert not [file for file in (folder, *folder.glob("*.jsonl")) if file.stat().st_mode & 0o077]


def charged(again: bool) -> bool:
    """Whether a life of the run may begin a step of which there must be no second start."""
    with Book.opened("run", again=again) as book:
        book.begin(document={}, engine="prefect")
        try:
            asyncio.run(settled(book.journal()).begin("run.charge"))
        except StepFailed:
            return False
        return True


def test_what_began_elsewhere_is_not_known_for_ever_after() -> None:
    """The second try on this machine knows no more of it than the first one."""
    assert [charged(again=True), charged(again=True)] == [False, False]


def test_a_run_that_died_before_its_first_step_is_known() -> None:
    """It was here, and did nothing."""
    with Book.opened("run", again=False):
        pass
    assert charged(again=True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"\x00\xff nonsense", "line 3: "),
        (b"[1]", "line 3: no object"),
        (b'{"kind": "tried", "time": "2026-01-01T00:00:00+00:00", "later": 1}', "line 3: TypeError"),
        (b'{"kind": "tried", "time": "2026-01-01T00:00:00+00:00", "record": {"status": "odd"}}', "line 3: "),
        (b'{"kind": "tried"}', "line 3: KeyError"),
    ],
)
def test_a_file_that_can_not_be_read_is_named(folder: Path, line: bytes, said: str) -> None:
    """With its line and what to do; it is left as it is."""
    with Book.opened("run", again=False) as book:
        book.begin(document={}, engine="prefect")
    file = folder / "run.jsonl"
    file.write_bytes(file.read_bytes() + line + b"\n")
    before = file.read_bytes()
    with pytest.raises(Unreadable, match=re.escape(f"{file}, {said}")) as caught:
        Book.opened("run", again=True)
    assert "Move the file away" in str(caught.value)
    assert file.read_bytes() == before
    assert is_open("run") is False


def test_no_secret_is_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a step does with it."""
    monkeypatch.setenv("OPSCONDUCTOR_SECRET_TOKEN", "sesame-4711")
    env = {"T": "{{ secrets.token }}"}
    steps = [
        {"id": "a", "command": "echo $T", "env": env, "outputs": {"said": "{{ result.stdout }}"}},
        {"id": "b", "command": "echo {{ steps.a.outputs.said }}; echo $T >&2; exit 1", "env": env},
    ]
    document = parse({"name": "x", "steps": [{"type": "command", **step} for step in steps]})
    with Book.opened("run", again=False) as book:
        book.begin(document=canonical(document), engine="prefect")
        found = Secrets(*usual_lookups())
        asyncio.run(interpret(document, run_id="run", journal=book.journal(), secrets=found).run())
    text = (folder / "run.jsonl").read_text()
    assert text.count("***") >= 3
    assert "sesame" not in text


def test_a_full_disk_does_not_end_the_run() -> None:
    """It goes on, and begins no step of which there must be no second start."""
    with Book.opened("run", again=False) as book:
        book.begin(document={}, engine="prefect")
        journal = book.journal()
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, limit[1]))
        try:
            for number in range(9):
                journal.tried(f"run.a.{number}", DONE)
            with pytest.raises(StepFailed, match="not started: its start can't be written down"):
                asyncio.run(journal.begin("run.b"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            signal.signal(signal.SIGXFSZ, before)
    with Book.opened("run", again=True) as book:
        journal = settled(book.journal())
        assert journal.past("run.a.0") is not None
        assert journal.past("run.a.8") is None
