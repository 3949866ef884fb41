"""Looks at a result backend for as long as there is something to look for: when called, and by itself."""

import asyncio
from abc import ABC, abstractmethod

from celery_bridge.background import alongside
from celery_bridge.clients import Backend
from celery_bridge.wakeups import Wakeups

LINGER = 2.0
"""Seconds for which all stays open although nothing is looked for."""


class Lookout(ABC):
    """One of an event loop. Nothing is open while nothing is looked for."""

    def __init__(self, backend: Backend, url: str, name: str) -> None:
        self.backend = backend
        self._name = name
        self._wakeups = Wakeups(url, name, self._hear)
        self._something = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def _is_needed(self) -> bool:
        """Whether there is something to look for."""

    @abstractmethod
    def _hear(self, channel: str, data: str | None) -> None:
        """What was published; no data: the channel is heard from now on."""

    @abstractmethod
    def _pause(self) -> float:
        """Seconds until the next look, unless `_something` is set before."""

    @abstractmethod
    async def _look(self) -> None:
        """Look now."""

    @abstractmethod
    def _give_up(self, error: Exception) -> None:
        """Nobody looks any more."""

    def _begin(self) -> None:
        """See to it that somebody looks."""
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name=self._name)

    async def _serve(self) -> None:
        try:
            # What is wanted from the last look on, while all is closed, is seen to in another round.
            while self._is_needed:
                async with alongside(self._wakeups.run()):
                    while await self._until_something():
                        self._something.clear()
                        await self._look()
                await self.backend.aclose()
        except BaseException as error:
            self._serving = None
            if isinstance(error, Exception):
                self._give_up(error)
            await self.backend.aclose()
            raise

    async def _until_something(self) -> bool:
        """Wait for news or the next look; false once nothing was looked for for a while."""
        try:
            async with asyncio.timeout(self._pause() if self._is_needed else LINGER):
                await self._something.wait()
        except TimeoutError:
            return self._is_needed
        return True
