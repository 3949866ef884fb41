"""Whether anything is at work in a run, or all that is left is waiting for people."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from steps.clock import Clock

_inside: ContextVar[bool] = ContextVar("opsconductor_at_work", default=False)


class BusyClock(Clock):
    """The machine's clock, counting what goes on. A wait between two rounds counts, too."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = 0.0

    def idle_for(self, seconds: float) -> bool:
        """Whether nothing has gone on for so long."""
        return not self._count and asyncio.get_running_loop().time() - self._changed >= seconds

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        with self.counting():
            await super().sleep(seconds)

    @contextmanager
    def work(self) -> Iterator[None]:
        """While the block runs a step is at work."""
        token = _inside.set(True)
        try:
            with self._counted(1):
                yield
        finally:
            _inside.reset(token)

    @contextmanager
    def handed_over(self) -> Iterator[None]:
        """While the block runs the step that is at work waits for steps of its own, or for a person."""
        if not _inside.get():
            yield
            return
        token = _inside.set(False)
        try:
            with self._counted(-1):
                yield
        finally:
            _inside.reset(token)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """While the block runs time counts that another life of the run would count anew."""
        with self._counted(1):
            yield

    @contextmanager
    def _counted(self, number: int) -> Iterator[None]:
        self._change(number)
        try:
            yield
        finally:
            self._change(-number)

    def _change(self, number: int) -> None:
        self._count += number
        self._changed = asyncio.get_running_loop().time()
