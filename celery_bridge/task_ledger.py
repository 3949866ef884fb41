"""Which calls of tasks were sent: written down in the result backend before they are.

opsconductor:task:{id}          `sending`, then `sent`, and `revoked` by who gave it up
"""

from collections.abc import Awaitable
from typing import Any, Literal

from redis.asyncio import Redis

from celery_bridge.clients import Backend

TTL = 7 * 86_400
Mark = Literal["", "sending", "sent", "revoked"]


class TaskLedger:
    """The marks of the calls that go through one result backend. Raises what AWAY names."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def enter(self, id: str) -> Mark:
        """Write down that it is being sent. What was written before; empty: nothing."""

        def mark(redis: Redis) -> Awaitable[object]:
            return redis.set(_key(id), "sending", ex=TTL, nx=True)

        first = await self._backend.ask(mark)
        return "" if first else await self.mark(id)

    async def mark(self, id: str) -> Mark:
        """What is written of it."""

        def read(redis: Redis) -> Awaitable[Any]:
            return redis.get(_key(id))

        found: Mark = await self._backend.ask(read) or ""
        return found

    async def age(self, id: str) -> float:
        """Seconds since its mark was written; none where it has none."""

        def left(redis: Redis) -> Awaitable[Any]:
            return redis.ttl(_key(id))

        seconds = int(await self._backend.ask(left))
        return float(TTL - seconds) if seconds >= 0 else 0.0

    async def set(self, id: str, mark: Mark) -> None:
        """Write it down."""
        await self._backend.insist(lambda redis: redis.set(_key(id), mark, ex=TTL))

    async def forget(self, id: str) -> None:
        """It surely was not sent."""
        await self._backend.ask(lambda redis: redis.delete(_key(id)))


def _key(id: str) -> str:
    return f"opsconductor:task:{id}"
