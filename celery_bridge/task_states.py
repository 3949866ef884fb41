"""Follows tasks of any app by what their workers store: any number of them over two connections.

Celery publishes what it stores; what comes while a connection is broken is found by a sweep.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from celery_bridge.clients import AWAY, Backend
from celery_bridge.lookout import Lookout
from celery_bridge.stored_state import Stored, key_of, read
from steps.task_service import Ended

NAME = "opsconductor-tasks"
SWEEP_EVERY = 5.0
SWEEP_AGAIN = 0.5
AT_ONCE = 200


class WatchedTask:
    """A task as far as it is known. `begun`: a worker has said that it is at it, or has ended it."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.worker: str | None = None
        self.begun = asyncio.Event()
        self.end: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

    @property
    def is_known(self) -> bool:
        """Whether a worker has said anything of it."""
        return self.begun.is_set()

    def hear(self, stored: Stored) -> None:
        """What is stored of it now."""
        self.worker = stored.worker or self.worker
        if stored.ended is not None and not self.end.done():
            self.end.set_result(stored.ended)
        if stored.state != "PENDING":
            self.begun.set()

    def give_up(self, error: Exception) -> None:
        """Nobody watches it any more."""
        if not self.end.done():
            self.end.set_exception(error)


class TaskStates(Lookout):
    """Watches the tasks of one result backend. Nothing is open while nothing is watched."""

    def __init__(self, url: str) -> None:
        super().__init__(Backend(url, NAME), url, NAME)
        self._watched: dict[str, list[WatchedTask]] = {}
        self._next_look = SWEEP_EVERY

    @asynccontextmanager
    async def watching(self, id: str) -> AsyncIterator[WatchedTask]:
        """Watch a task while the block runs; what is stored of it by then is known at once.

        Raises what AWAY names where the result backend can't be reached.
        """
        watched, key = WatchedTask(id), key_of(id)
        self._watched.setdefault(key, []).append(watched)
        self._begin()
        try:
            await self._wakeups.want(key)
            if payload := await self._stored(key):
                watched.hear(read(payload))
            yield watched
        finally:
            self._watched[key].remove(watched)
            if not self._watched[key]:
                del self._watched[key]
                await self._wakeups.drop(key)

    async def _stored(self, key: str) -> str | None:
        def get(redis: Redis) -> Awaitable[Any]:
            return redis.get(key)

        payload: str | None = await self.backend.insist(get, 2 * SWEEP_EVERY)
        return payload

    def _hear(self, channel: str, data: str | None) -> None:
        if data is None:  # just subscribed: what was published before is only stored
            self._something.set()
            return
        for watched in self._watched.get(channel, ()):
            watched.hear(read(data))

    @property
    def _is_needed(self) -> bool:
        return bool(self._watched)

    def _pause(self) -> float:
        return self._next_look

    def _give_up(self, error: Exception) -> None:
        for watched in [task for tasks in self._watched.values() for task in tasks]:
            watched.give_up(error)

    async def _look(self) -> None:
        keys = [key for key, tasks in self._watched.items() if not all(task.end.done() for task in tasks)]
        try:
            for start in range(0, len(keys), AT_ONCE):
                await self._sweep(keys[start : start + AT_ONCE])
            self._next_look = SWEEP_EVERY
        except AWAY:
            self._next_look = SWEEP_AGAIN

    async def _sweep(self, keys: Sequence[str]) -> None:
        def ask(pipeline: Pipeline) -> None:
            for key in keys:
                pipeline.get(key)

        for key, payload in zip(keys, await self.backend.ask_all(ask), strict=True):
            if isinstance(payload, Exception):
                raise payload
            if payload is not None:
                self._hear(key, payload)
