"""Stores what a step writes as it comes, on a thread of its own, and holds it up where that is slower."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

from codegen.addresses import masked
from steps.child import Valve
from steps.masked_stream import MaskedStream
from steps.masking import Mask
from steps.output_storage import Sink, Storage, StorageFailed, file_name, safe_name, storage_named

MOST_WAITING = 1024 * 1024
LITTLE_WAITING = 256 * 1024
PATIENCE = 60.0
"""Seconds without a sign of life after which a storage is given up."""


class Outputs:
    """Where a run's whole output goes. What goes wrong there ends no run, and is told once."""

    def __init__(self, named: str = "") -> None:
        self.named = named
        self.silence = ""
        """Why it is not tried again in this run: one that does not answer would hold up every step."""
        self._told = False

    def is_news(self) -> bool:
        """Whether a failure is the first one of the run."""
        told, self._told = self._told, True
        return not told

    def storage(self) -> Storage:
        """The place itself; StorageFailed says why there is none."""
        return storage_named(self.named)


@dataclass(frozen=True, slots=True)
class Title:
    """What is written: by which execution of which run, in which of its tries."""

    run: str
    name: str
    attempt: int


class Keeper:
    """Keeps the streams of one try. At most a MiB waits to be written: then the child waits, too.

    Used from the event loop; only what `_work` calls runs on the thread.
    """

    def __init__(
        self,
        outputs: Outputs,
        title: Title,
        mask: Mask,
        valve: Valve,
        complain: Callable[[str], None],
        patience: float = PATIENCE,
    ) -> None:
        self._outputs, self._title, self._mask = outputs, title, mask
        self._valve, self._complain, self._patience = valve, complain, patience
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[tuple[str, bytes] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._finished = asyncio.Event()
        self._waiting = 0
        self.most_waiting = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._files: dict[str, _File] = {}
        self._number: int | None = None
        self._storage: Storage | None = None
        self._error: str | None = None
        self._was_given_up = False
        self._is_over = False
        """Nothing is written any more, lest there be a gap."""

    def feed(self, stream: str, data: bytes) -> None:
        """The step wrote this."""
        if self._thread is None and self._outputs.silence:
            self._error = self._outputs.silence
            self._files.setdefault(stream, _File(MaskedStream(self._mask)))
        if self._error is not None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="opsconductor-output", daemon=True)
            self._thread.start()
        self._waiting += len(data)
        self.most_waiting = max(self.most_waiting, self._waiting)
        self._queue.put((stream, data))
        if self._waiting >= MOST_WAITING and self._alarm is None:
            self._valve.shut()
            self._await_progress()

    async def close(self, patience: float | None = None) -> None:
        """No more comes: wait until all is stored, or it is clear that it won't be. May be called again."""
        if self._thread is None:
            return
        self._queue.put(None)
        if self._was_given_up:
            return
        seconds = self._patience if patience is None else patience
        try:
            async with asyncio.timeout(seconds):
                await self._finished.wait()
        except TimeoutError:
            self._give_up(seconds)

    def stored(self) -> dict[str, dict[str, Any]]:
        """For each stream where it is stored, and how many bytes; `error` where that is not all."""
        return {name: file.told(self._error) for name, file in sorted(self._files.items())}

    def _await_progress(self) -> None:
        self._alarm = self._loop.call_later(self._patience, self._give_up, self._patience)

    def _give_up(self, seconds: float) -> None:
        self._was_given_up = True
        why = f"the storage has not answered for {seconds:.0f} s"
        if seconds >= self._patience:  # else it was hurried
            self._outputs.silence = self._outputs.silence or why
        self._failed(why)

    def _failed(self, why: str) -> None:
        self._is_over = True
        self._still()
        if self._error is None:
            self._error = why
            if self._outputs.is_news():
                self._complain(f"The whole output is not stored: {why}. The run goes on without")

    def _took(self, count: int) -> None:
        self._waiting -= count
        if self._alarm is not None:
            self._alarm.cancel()
            self._await_progress()
        if self._waiting <= LITTLE_WAITING:
            self._still()

    def _still(self) -> None:
        """Nothing is waited for."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._valve.open()

    def _tell(self, what: Callable[..., object], *about: object) -> None:
        with suppress(RuntimeError):  # the loop did not wait for a storage that had not answered
            self._loop.call_soon_threadsafe(what, *about)

    def _work(self) -> None:
        while (piece := self._queue.get()) is not None:
            stream, data = piece
            if not self._is_over:
                self._safely(partial(self._write, stream, data))
            self._tell(self._took, len(data))
        for file in self._files.values():
            if not self._is_over:
                self._safely(file.write_rest)
            self._safely(file.abandon if self._is_over else file.close)
        self._tell(self._finished.set)

    def _safely(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the storage's, not the step's
            self._is_over = True
            why = (
                str(error) if isinstance(error, StorageFailed) else masked(f"{type(error).__name__}: {error}")
            )
            self._tell(self._failed, why)

    def _write(self, stream: str, data: bytes) -> None:
        if stream not in self._files:
            self._files[stream] = _File(MaskedStream(self._mask))
            self._files[stream].sink = self._opened(stream)
        self._files[stream].write(data)

    def _opened(self, stream: str) -> Sink:
        title, folder = self._title, safe_name(self._title.run)
        if self._storage is None:
            self._storage = self._outputs.storage()
        if self._number is None:
            self._number = self._storage.free(folder, title.name, title.attempt)
        return self._storage.open(folder, file_name(title.name, self._number, stream))


class _File:
    """A stream's file, and what of the stream is in it."""

    def __init__(self, masked: MaskedStream) -> None:
        self.sink: Sink | None = None
        self._masked = masked
        self._size = 0

    def write(self, data: bytes) -> None:
        self._put(self._masked.feed(data))

    def write_rest(self) -> None:
        self._put(self._masked.rest())

    def close(self) -> None:
        if self.sink is not None:
            self.sink.close()

    def abandon(self) -> None:
        if self.sink is not None:
            self.sink.abandon()

    def told(self, error: str | None) -> dict[str, Any]:
        if error is None:
            return {"where": self.sink.where if self.sink else None, "bytes": self._size}
        if self.sink is None or not self.sink.stays:
            return {"where": None, "bytes": 0, "error": error}
        return {"where": self.sink.where, "bytes": self._size, "error": error}

    def _put(self, data: bytes) -> None:
        if self.sink is not None and data:
            self.sink.write(data)
            self._size += len(data)
