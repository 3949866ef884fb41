"""The journals of the runs in Prefect: a file each, in the installation's home.

A process that dies, kill -9 included, loses nothing that it has written. Another machine does not see it:
there a run that is tried again begins anew, but for the steps of which there must be no second start.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile
from pathlib import Path
from typing import IO, Any, Self

from prefect.logging import get_run_logger

from control.home import Home
from control.locks import opened_alone
from flows.session import Session
from steps.entries import Entry, Unreadable
from steps.errors import StepFailed
from steps.journal import Journal

KEPT_FOR = 30 * 86_400
_LOOKED_THROUGH = ".looked-through"
_DAY = 86_400
SECONDS_BETWEEN_TRIES = 1.0

logger = logging.getLogger(__name__)


class RunTaken(Exception):
    """Another process is at the same run."""


class Book:
    """The file of a run: what it is, and then the entries of its journal.

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
        self.about: Mapping[str, Any] | None = next((line for line in lines if "document" in line), None)
        self._entries = _entries(lines)
        self._forgotten = bool(self.about and self.about.get("forgotten")) or (again and not lines)
        if not (lines or again):
            self._write({"run": run_id})  # whoever comes later sees that nothing was done elsewhere

    @classmethod
    def opened(cls, run_id: str, *, again: bool) -> Self:
        """The book of a run. RunTaken: another process has it open."""
        folder = Home.from_environment().journals
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _clear(folder)
            file = opened_alone(folder / f"{run_id}.jsonl")
        except OSError as error:
            return cls(run_id, None, again=again, refusal=_not_written(error))
        if file is None:
            raise RunTaken(f"another process is at the run {run_id}")
        try:
            return cls(run_id, file, again=again)
        except Unreadable as error:
            file.close()
            raise Unreadable(
                f"What the run did before can't be read: {file.name}, {error}. Move the file away, and "
                "all of the run is done again, but for steps that are not idempotent"
            ) from error

    def begin(self, **about: Any) -> None:
        """Write down what run it is, unless that is known."""
        if self.about is None:
            self.about = about | ({"forgotten": True} if self._forgotten else {})
            self._write(self.about)

    def journal(self, again_from: str | None = None) -> Journal:
        """The journal of this life of the run: another try where the last one is over, or as is asked."""
        attempt = max((entry.attempt for entry in self._entries), default=1)
        over = any(entry.kind == "over" and entry.attempt == attempt for entry in self._entries)
        if over or (again_from is not None and self._entries):
            attempt += 1
        return Journal(
            self.run_id,
            self,
            self._entries,
            attempt=attempt,
            again_from=again_from,
            forgotten=self._forgotten,
        )

    @property
    def waits(self) -> list[Entry]:
        """The questions for whose answers the last life left off: it was for nothing else."""
        return _waits(self._entries)

    @property
    def is_kept(self) -> bool:
        """Whether another process will find all that this one has written."""
        return self._file is not None and self._refusal is None

    def keep(self) -> None:
        """Have it kept as long as if something had been written."""
        if self._file is not None:
            os.utime(self._file.fileno())

    def add(self, entry: Entry) -> None:
        """Put it after those before."""
        self._write(entry.to_json())

    async def secure(self, entry: Entry) -> None:
        """Put it after those before, and see it on the disk."""
        self.add(entry)
        if self._refusal is None and self._file is not None:
            try:
                await asyncio.to_thread(os.fsync, self._file.fileno())
            except OSError as error:
                self._give_up(error)
        if self._refusal is not None:
            raise StepFailed(self._refusal)

    async def held(self) -> None:
        """The file is locked as long as this process lives."""

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
        """Without a buffer: what is half written is the last of the file, and is seen to be half written."""
        if self._file is None or self._refusal is not None:
            return
        line = json.dumps(data).encode() + b"\n"
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._refusal = _not_written(error)
        logger.warning("What the run %s does can't be written down any more: %s", self.run_id, error)


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


def _not_written(error: OSError) -> str:
    return f"not started: its start can't be written down, so it might be started twice ({error})"


def questions_of(run_id: str) -> list[str]:
    """The questions that a run of this machine waits for without a process."""
    try:
        return [entry.key for entry in _waits(_entries(_written(run_id)))]
    except Unreadable as error:
        logger.warning("What the run %s waits for can't be read: %s", run_id, error)
        return []


def document_of(run_id: str) -> Mapping[str, Any] | None:
    """The document that a run of this machine ran."""
    try:
        return next((line["document"] for line in _written(run_id) if "document" in line), None)
    except Unreadable as error:
        logger.warning("What the run %s ran can't be read: %s", run_id, error)
        return None


def _written(run_id: str) -> list[dict[str, Any]]:
    """What has been written down of a run of this machine, perhaps by a process that is at it."""
    try:
        text = (Home.from_environment().journals / f"{run_id}.jsonl").read_bytes()
    except OSError:
        return []
    whole = text[: text.rfind(b"\n") + 1].splitlines()
    return [_line(number, line) for number, line in enumerate(whole, 1)]


def _waits(entries: Sequence[Entry]) -> list[Entry]:
    """The last words of a life that left off: once for each question."""
    found = takewhile(lambda entry: entry.kind == "waits", reversed(entries))
    return list({entry.key: entry for entry in found}.values())


def _lines(file: IO[bytes]) -> list[dict[str, Any]]:
    """What is in the file. A last line that was cut short by a death is taken out."""
    file.seek(0)
    text = file.read()
    whole = text.rfind(b"\n") + 1
    lines = [_line(number, line) for number, line in enumerate(text[:whole].splitlines(), 1)]
    if whole < len(text):
        file.truncate(whole)
    return lines


def _line(number: int, text: bytes) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"line {number}: {error}") from error
    if not isinstance(line, dict):
        raise Unreadable(f"line {number}: no object")
    return line


def _entries(lines: Iterable[dict[str, Any]]) -> list[Entry]:
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            if "kind" in line:
                entries.append(Entry.from_json(line))
        except Unreadable as error:
            raise Unreadable(f"line {number}: {error}") from error
    return entries


def _clear(folder: Path) -> None:
    """Once a day: throw away what nobody has written to for a long time, nor has open."""
    mark, now = folder / _LOOKED_THROUGH, time.time()
    if mark.exists() and now - mark.stat().st_mtime < _DAY:
        return
    mark.touch()
    for file in folder.glob("*.jsonl"):
        if now - file.stat().st_mtime > KEPT_FOR and (book := opened_alone(file)) is not None:
            with book:
                file.unlink()
