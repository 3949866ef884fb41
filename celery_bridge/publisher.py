"""The worker's side of the channel: tells what a run does, without ever holding the run up."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from celery_bridge.backlog import Backlog
from celery_bridge.channel import LONGEST_STREAM, Claim, Entry, Fields, Keys, Refusal, written
from celery_bridge.clients import AWAY, Backend
from codegen.result import Report
from steps.events import Event

LINES_WAIT = 0.05
LONGEST_PAUSE = 2.0
PATIENCE = 120.0


class Publisher:
    """Adds a run's entries to its stream. Starts and ends go out at once, lines within 50 ms.

    While the server is away, entries wait within bounds; only the last one is insisted on.
    """

    def __init__(self, backend: Backend, keys: Keys, epoch: int, ttl: int) -> None:
        self._backend = backend
        self._keys = keys
        self._epoch = epoch
        self._ttl = ttl
        self._sent = 0
        self._backlog = Backlog()
        self._loop = asyncio.get_running_loop()
        self._something = asyncio.Event()
        self._urgent = asyncio.Event()
        self._sending = asyncio.Lock()
        self._unsent: list[tuple[str, Fields]] = []

    def claim(self, worker: str) -> None:
        """Say who runs it."""
        self._backlog.add(Claim(worker))
        self._wake(urgent=True)

    def tell(self, event: Event) -> None:
        """Tell an event; from any thread."""
        self._backlog.add(event)
        urgent = event.kind != "line"
        if not (self._urgent if urgent else self._something).is_set():
            self._loop.call_soon_threadsafe(self._wake, urgent)

    async def run(self) -> None:
        """Send what there is as it comes, until cancelled."""
        pause = 0.0
        while True:
            await self._something.wait()
            await self._lines_gather()
            try:
                await self._flush()
                pause = 0.0
            except AWAY:
                pause = min(LONGEST_PAUSE, pause * 2 or 0.1)
                await asyncio.sleep(pause)

    async def finish(self, last: Report | Refusal, patience: float = PATIENCE) -> None:
        """Send the rest and the last entry; tries for `patience` seconds, then raises what hinders it.

        To be called while `run` still goes on: cancelling a connection in use would cost what is on it.
        """
        self._backlog.add(last)
        deadline = time.monotonic() + patience
        pause = 0.1
        while True:
            try:
                await self._flush()
                return
            except AWAY:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _wake(self, urgent: bool) -> None:
        self._something.set()
        if urgent:
            self._urgent.set()

    async def _lines_gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LINES_WAIT):
                await self._urgent.wait()

    async def _flush(self) -> None:
        async with self._sending:
            if not self._unsent:
                self._something.clear()
                self._urgent.clear()
                self._unsent = [self._numbered(entry) for entry in self._backlog.take()]
            if self._unsent:
                await self._send(self._unsent)
                self._unsent = []

    def _numbered(self, entry: Entry) -> tuple[str, Fields]:
        self._sent += 1
        return f"{self._epoch}-{self._sent}", written(entry)

    async def _send(self, entries: Sequence[tuple[str, Fields]]) -> None:
        def send(pipeline: Pipeline) -> None:
            for id, fields in entries:
                pipeline.xadd(self._keys.events, dict[Any, Any](fields), id=id, maxlen=LONGEST_STREAM)
            pipeline.expire(self._keys.events, self._ttl)
            pipeline.publish(self._keys.channel, "")

        for reply in await self._backend.ask_all(send):
            if isinstance(reply, Exception) and not _was_there(reply):
                raise reply


def _was_there(error: Exception) -> bool:
    """Whether the entry is in the stream already: an earlier try got through, and its answer didn't."""
    return isinstance(error, ResponseError) and "equal or smaller" in str(error)
