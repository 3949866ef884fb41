"""The journals of the runs in Prefect: a file each, in the installation's home.

A process that dies, kill -9 included, loses nothing that it has written. Another machine does not see it:
there a run that is tried again begins anew, but for the steps of which there must be no second start.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Self

from prefect.logging import get_run_logger

from control.home import Home
from flows.session import Session
from steps.errors import StepFailed
from steps.journal import Entry, Journal

KEPT_FOR = 30 * 86_400
_LOOKED_THROUGH = ".looked-through"
_DAY = 86_400
SECONDS_BETWEEN_TRIES = 1.0


class RunTaken(Exception):
    """Another process is at the same run."""


class Book:
    """The file of a run: what it is, in its first line, and after that the entries of its journal.

    `again`: the run has begun before. Where nothing can be written or is known of that, no step begins of
    which there must be no second start.
    """

    def __init__(
        self, run_id: str, file: IO[bytes] | None, *, again: bool, refusal: str | None = None
    ) -> None:
        self.run_id = run_id
        self._file = file
        self._refusal = refusal
        lines = _lines(file) if file is not None else []
        self.about: Mapping[str, Any] | None = lines[0] if lines else None
        self._entries = [Entry.from_json(line) for line in lines[1:]]
        if again and self.about is None and refusal is None:
            self._refusal = (
                "not started: the run has begun before, and what it did then was not written down on this "
                "machine. Find out, then start the workflow anew"
            )

    @classmethod
    def opened(cls, run_id: str, *, again: bool) -> Self:
        """The book of a run. RunTaken: another process has it open."""
        folder = Home.from_environment().journals
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _clear(folder)
            file = open(folder / f"{run_id}.jsonl", "a+b")  # noqa: SIM115 - closed with the book
        except OSError as error:
            why = f"not started: its start can't be written down, so it might be started twice ({error})"
            return cls(run_id, None, again=again, refusal=why)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise RunTaken(f"another process is at the run {run_id}") from None
        return cls(run_id, file, again=again)

    def begin(self, **about: Any) -> None:
        """Write down what run it is, unless that is known."""
        if self.about is None:
            self.about = about
            self._write(about)

    def journal(self, again_from: str | None = None) -> Journal:
        """The journal of this life of the run: another try where the last one is over, or as is asked."""
        attempt = max((entry.attempt for entry in self._entries), default=1)
        over = any(entry.kind == "over" and entry.attempt == attempt for entry in self._entries)
        if over or (again_from is not None and self._entries):
            attempt += 1
        return Journal(self.run_id, self, self._entries, attempt=attempt, again_from=again_from)

    def add(self, entry: Entry) -> None:
        """Put it after those before."""
        self._write(entry.to_json())

    async def secure(self, entry: Entry) -> None:
        """Put it after those before, and see it on the disk."""
        if self._refusal is not None:
            raise StepFailed(self._refusal)
        self.add(entry)
        if self._file is not None:
            await asyncio.to_thread(os.fsync, self._file.fileno())

    def close(self) -> None:
        """Let others have it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, data: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(data).encode() + b"\n")
            self._file.flush()


def is_open(run_id: str) -> bool | None:
    """Whether a process of this machine is at the run; None: nothing is known of it here."""
    path = Home.from_environment().journals / f"{run_id}.jsonl"
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


@asynccontextmanager
async def opened_book(session: Session, *, again: bool) -> AsyncIterator[Book]:
    """The book of a session's run, once no other process has it. Cancelled meanwhile: RunTaken."""
    said = False
    while True:
        try:
            book = Book.opened(session.run_id, again=again)
            break
        except RunTaken as error:
            if session.cancelled:
                raise
            if not said:
                said = True
                get_run_logger().warning("%s: this one waits for its end", error)
            await asyncio.sleep(SECONDS_BETWEEN_TRIES)
    with book:
        yield book


def _lines(file: IO[bytes]) -> list[dict[str, Any]]:
    """What is in the file. A last line that was cut short by a death is taken out."""
    file.seek(0)
    text = file.read()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        file.truncate(whole)
    return [json.loads(line) for line in text[:whole].splitlines()]


def _clear(folder: Path) -> None:
    """Once a day: throw away what nobody has written to for a long time."""
    mark, now = folder / _LOOKED_THROUGH, time.time()
    if mark.exists() and now - mark.stat().st_mtime < _DAY:
        return
    mark.touch()
    for file in folder.glob("*.jsonl"):
        if now - file.stat().st_mtime > KEPT_FOR:
            file.unlink(missing_ok=True)
