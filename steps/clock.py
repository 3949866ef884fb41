"""The time of a run: the machine's, or in a rehearsal one that takes none.

A rehearsal's clock stands still while any step is at work. When all that is left is waiting, it jumps to the
next moment that is waited for. Steps therefore end in the order of their moments, and those of the same
moment in the order in which they started, however fast the machine is.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from itertools import count
from typing import Protocol

# How often the event loop goes round without news before nothing is at work: a step's end passes several
# times through it for each group around the step.
CALM = 60


class Timer(Protocol):
    """A call that has been put off."""

    def cancel(self) -> None:
        """Don't make it."""


class Clock:
    """The machine's own."""

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call it in so many seconds."""
        return asyncio.get_running_loop().call_later(seconds, callback)

    def outside(self, seconds: float) -> float:
        """How much of so long a wait is left to what goes by the machine's clock, such as Prefect."""
        return seconds

    def work(self) -> AbstractContextManager[None]:
        """While the block runs a step is at work, except where it sleeps."""
        return nullcontext()

    def handed_over(self) -> AbstractContextManager[None]:
        """While the block runs the step that is at work waits for steps of its own."""
        return nullcontext()

    def counting(self) -> AbstractContextManager[None]:
        """While the block runs time counts that another life of the run would count anew."""
        return nullcontext()


class _Moment:
    """Something to be done at a moment."""

    __slots__ = ("callback", "cancelled")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


_turn: ContextVar[float | None] = ContextVar("opsconductor_turn", default=None)


class VirtualClock(Clock):
    """A rehearsal's."""

    def __init__(self) -> None:
        self.now = 0.0
        self._moments: list[tuple[float, float, int, _Moment]] = []
        self._numbers = count()
        self._turns = count()
        self._at_work = 0
        self._news = 0
        self._idle = asyncio.Event()
        self._hand: asyncio.Task[None] | None = None

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass, which takes none."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn = _turn.get()
        moment = self._at(seconds, lambda: None if over.done() else over.set_result(None), turn)
        try:
            if turn is None:
                await over
            else:
                with self._counted(-1):
                    await over
        finally:
            moment.cancel()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call it when so much time has passed, after the steps that end at that very moment."""
        return self._at(seconds, callback, None)

    def outside(self, seconds: float) -> float:  # noqa: ARG002 - it is the same for all waits
        """Nothing: a rehearsal takes no time of the machine."""
        return 0.0

    @contextmanager
    def work(self) -> Iterator[None]:
        """While the block runs a step is at work, except where it sleeps."""
        token = _turn.set(next(self._turns))
        try:
            with self._counted(1):
                yield
        finally:
            _turn.reset(token)

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """While the block runs the step that is at work waits for steps of its own."""
        if _turn.get() is None:
            yield
            return
        token = _turn.set(None)
        try:
            with self._counted(-1):
                yield
        finally:
            _turn.reset(token)

    @contextmanager
    def _counted(self, steps: int) -> Iterator[None]:
        self._count(steps)
        try:
            yield
        finally:
            self._count(-steps)

    def _count(self, steps: int) -> None:
        self._at_work += steps
        self._news += 1
        if not self._at_work:
            self._idle.set()

    def _at(self, seconds: float, callback: Callable[[], object], turn: float | None) -> _Moment:
        moment = _Moment(callback)
        place = math.inf if turn is None else turn
        heapq.heappush(self._moments, (self.now + seconds, place, next(self._numbers), moment))
        self._news += 1
        if self._hand is None or self._hand.done():
            self._hand = asyncio.create_task(self._go(), name="clock")
        return moment

    async def _go(self) -> None:
        while self._moments:
            await self._calm()
            self._advance()

    async def _calm(self) -> None:
        calm = 0
        while calm < CALM:
            if self._at_work:
                self._idle.clear()
                await self._idle.wait()
            news = self._news
            await asyncio.sleep(0)
            calm = calm + 1 if news == self._news and not self._at_work else 0

    def _advance(self) -> None:
        while self._moments:
            due, _, _, moment = heapq.heappop(self._moments)
            if not moment.cancelled:
                self.now = due
                moment.callback()
                return


_clock: ContextVar[Clock] = ContextVar("opsconductor_clock", default=Clock())  # noqa: B039 - it has no state


def present() -> Clock:
    """The clock of this run."""
    return _clock.get()


@contextmanager
def keeping(clock: Clock) -> Iterator[None]:
    """Runs inside the block have this clock."""
    token = _clock.set(clock)
    try:
        yield
    finally:
        _clock.reset(token)
