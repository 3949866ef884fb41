"""The worker's side of the channel: tells what a run does, without ever holding the run up."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from celery_bridge.backlog import Backlog
from celery_bridge.channel import LONGEST_STREAM, Entry, Fields, Keys, Refusal, bounded, written
from celery_bridge.clients import AWAY, Backend
from celery_bridge.counts import KEY as COUNTS
from celery_bridge.counts import Tally
from celery_bridge.window import Window
from codegen.result import Report
from steps.events import Event

LINES_WAIT = 0.05
# A step that is over at once is one message with its start, and one look for who follows the run.
OTHERS_WAIT = 0.005
LONGEST_PAUSE = 2.0
PATIENCE = 120.0
MOST_AT_ONCE = 4 * 1024 * 1024


# Counted with the entry or not at all: who asks again after a lost answer counts nothing twice.
_ADD_AND_COUNT = """
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], ARGV[2], ARGV[3], ARGV[4])
for n = 5, #ARGV, 2 do redis.call('HINCRBY', KEYS[2], ARGV[n], ARGV[n + 1]) end
"""


@dataclass(frozen=True, slots=True)
class _Addition:
    """An entry of a stream."""

    stream: str
    id: str
    fields: Fields
    longest: int | None = None
    counts: Mapping[Tally, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """About how much there is to send."""
        return sum(map(len, self.fields.values()))

    def put(self, pipeline: Pipeline) -> None:
        """Add it, and count what is to be counted with it."""
        if not self.counts:
            pipeline.xadd(self.stream, dict[Any, Any](self.fields), id=self.id, maxlen=self.longest)
            return
        (name, text), *_ = self.fields.items()
        amounts = (part for tally, amount in self.counts.items() for part in (tally.field, str(amount)))
        values = (str(self.longest), self.id, name, text, *amounts)
        pipeline.eval(_ADD_AND_COUNT, 2, self.stream, COUNTS, *values)


class Publisher:
    """Adds a run's entries to its stream. Starts and ends go out within 5 ms, lines within 50 ms.

    With the first of them, or without, the claim is announced that is in the stream already.
    While the server is away, entries wait within bounds; only the last one is insisted on.
    """

    def __init__(self, backend: Backend, keys: Keys, epoch: int, ttl: int) -> None:
        self._backend = backend
        self._keys = keys
        self.epoch = epoch
        self._ttl = ttl
        self._sent = 0
        self._window = Window()
        self._backlog = Backlog()
        self._notes: deque[str] = deque()
        self._loop = asyncio.get_running_loop()
        self._something = asyncio.Event()
        self._urgent = asyncio.Event()
        self._sending = asyncio.Lock()
        self._unsent: list[_Addition] = []
        self._last_counts: Mapping[Tally, int] = {}
        self._announced = False

    def tell(self, event: Event) -> None:
        """Tell an event; from any thread."""
        self._backlog.add(bounded(event))  # a line may be of 64 KiB, and hundreds of them may wait
        urgent = event.kind != "line"
        if not (self._urgent if urgent else self._something).is_set():
            self._loop.call_soon_threadsafe(self._wake, urgent)

    def note(self, entry: str) -> None:
        """Write an entry of the journal; it goes out with the events told before."""
        self._notes.append(entry)
        self._wake(urgent=True)

    async def sent(self, patience: float = PATIENCE) -> None:
        """Wait until all that there is is sent; raises what hinders it after `patience` seconds."""
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

    async def run(self) -> None:
        """Send what there is as it comes, until cancelled."""
        pause = 0.0
        self._wake(urgent=True)
        while True:
            await self._something.wait()
            await self._lines_gather()
            try:
                await self._flush()
                pause = 0.0
            except AWAY:
                pause = min(LONGEST_PAUSE, pause * 2 or 0.1)
                await asyncio.sleep(pause)

    async def finish(
        self, last: Report | Refusal, counts: Mapping[Tally, int] | None = None, patience: float = PATIENCE
    ) -> None:
        """Send the rest and the last entry; tries for `patience` seconds, then raises what hinders it.

        `counts`: what is counted with it, unless another process has the run.
        To be called while `run` still goes on: cancelling a connection in use would cost what is on it.
        """
        self._last_counts = counts or {}
        self._backlog.add(last)
        await self.sent(patience)

    def _wake(self, urgent: bool) -> None:
        self._something.set()
        if urgent:
            self._urgent.set()

    async def _lines_gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LINES_WAIT):
                await self._urgent.wait()
                await asyncio.sleep(OTHERS_WAIT)

    async def _flush(self) -> None:
        async with self._sending:
            if not self._unsent:
                self._something.clear()
                self._urgent.clear()
                self._unsent = [*self._numbered_notes(), *map(self._numbered, self._backlog.take())]
            while (some := list(_first(self._unsent))) or not self._announced:
                await self._send(some)
                self._announced = True
                del self._unsent[: len(some)]

    def _numbered(self, entry: Entry) -> _Addition:
        fields = written(entry, self._window.count + 1)
        if "event" not in fields:
            return _Addition(self._keys.events, self._next_id(), fields, LONGEST_STREAM, self._last_counts)
        return _Addition(self._keys.events, self._next_id(), fields, self._window.add(len(fields["event"])))

    def _numbered_notes(self) -> Iterator[_Addition]:
        while self._notes:
            yield _Addition(self._keys.journal, self._next_id(), {"entry": self._notes.popleft()})

    def _next_id(self) -> str:
        self._sent += 1
        return f"{self.epoch}-{self._sent}"

    async def _send(self, additions: Sequence[_Addition]) -> None:
        def send(pipeline: Pipeline) -> None:
            for one in additions:
                one.put(pipeline)
            for stream in {one.stream for one in additions}:
                pipeline.expire(stream, self._ttl)
            pipeline.publish(self._keys.channel, "")

        for reply in await self._backend.ask_all(send, together=True):
            if isinstance(reply, Exception) and not _was_there(reply):
                raise reply


def _first(additions: Sequence[_Addition]) -> Iterator[_Addition]:
    """As many as the server takes at once without being late with its answer."""
    size = 0
    for one in additions:
        size += one.size
        if size > MOST_AT_ONCE and size > one.size:
            return
        yield one


def _was_there(error: Exception) -> bool:
    """Whether the entry is in the stream already: an earlier try got through, and its answer didn't.

    Or another process has taken the run; then the stream is closed to this one.
    """
    return isinstance(error, ResponseError) and "equal or smaller" in str(error)
