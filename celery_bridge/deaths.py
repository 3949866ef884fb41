"""A run whose processes die again and again is not started for ever: it may be what kills them."""

from collections.abc import Awaitable
from typing import Any

from redis.asyncio import Redis

from celery_bridge.channel import Keys, read
from celery_bridge.clients import Backend
from steps.events import Event

MOST_DEATHS = 2
LOOKED_AT = 500

# By the claim of the process after: who asks again, because the answer got lost, counts it once.
_COUNT = """
redis.call('SADD', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return redis.call('SCARD', KEYS[1])
"""


async def one_death_too_many(backend: Backend, keys: Keys, epoch: int, ttl: int) -> str | None:
    """Count the death of the process before; why nobody goes on with the run, where it was one too many.

    `epoch` is that of who goes on.
    """

    def count(redis: Redis) -> Awaitable[Any]:
        return redis.eval(_COUNT, 1, keys.deaths, str(ttl), str(epoch))

    deaths = int(await backend.insist(count))
    if deaths <= MOST_DEATHS:
        return None
    labels = ", ".join(await _under_way(backend, keys))
    at = f", the last time while it was at {labels}" if labels else ""
    return (
        f"the process that ran it has died {deaths} times{at}. It is not started again by itself: look at "
        "the worker's log and at the machine's memory. "
        f"Then `opsconductor retry {keys.run_id}` goes on with it"
    )


async def _under_way(backend: Backend, keys: Keys) -> list[str]:
    """The steps that began and have no end, as far back as is worth looking."""

    def newest_first(redis: Redis) -> Awaitable[Any]:
        return redis.xrevrange(keys.events, count=LOOKED_AT)

    last: dict[str, str] = {}
    for _, fields in await backend.insist(newest_first):
        event = read(fields)
        if isinstance(event, Event) and event.kind in ("started", "ended"):
            last.setdefault(event.label, event.kind)
    return sorted(label for label, kind in last.items() if kind == "started")
