"""Is the message of a run still anywhere, that nobody has begun? A worker that dies may take it along.

A Redis hands out again what such a worker had only after the visibility timeout, hours later. RabbitMQ does
so at once, so there nothing is looked for.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from logging import WARNING

from celery import Celery
from redis import Redis

from celery_bridge.attendance import ANSWER_WITHIN, BROKER_AWAY
from celery_bridge.clients import ANSWER_WITHIN as REDIS_ANSWERS_WITHIN
from celery_bridge.followed import Followed, Notice
from celery_bridge.priorities import redis_lists
from celery_bridge.rounds import Rounds
from celery_bridge.settings import BridgeSettings
from celery_bridge.urls import for_client, speaks_redis

LOOK_EVERY = 15.0
LOOKS = 2  # a worker may be too busy to answer, and a message may be on its way
AT_ONCE = 200
MOST = 20_000
GONE = "Its message is gone: the worker that had it must have died before it began. It is sent again"

# The ids of some of the messages of a list; the messages themselves may be large.
_IDS = """
local ids = {}
for place, message in ipairs(redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])) do
    ids[place] = string.match(message, '"id": ?"([^"]+)"') or ''
end
return ids
"""


class Whereabouts:
    """Looks for messages: in the queues of one broker, and among what its workers have."""

    def __init__(self, app: Celery, settings: BridgeSettings) -> None:
        self._app = app
        self._settings = settings
        self._by_queue: dict[str, Rounds[frozenset[str]]] = {}

    async def watch(self, followed: Followed, queue: str, notice: Notice) -> None:
        """Until the run has begun, see to it that its message is sent again once two looks didn't find it."""
        missed = 0
        while not followed.began.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await followed.began.wait()
                    return
            missed = missed + 1 if await self.is_gone(followed.keys.task_id, queue) else 0
            if missed == LOOKS:
                missed = 0
                notice(GONE, WARNING)
                followed.orphaned.set()

    async def is_gone(self, id: str, queue: str) -> bool:
        """Whether the message is neither in the queue nor at a worker that answers."""
        if not speaks_redis(self._settings.broker_url):
            return False

        async def gone(ids: list[str]) -> frozenset[str]:
            return await asyncio.to_thread(self._gone, queue, frozenset(ids))

        return id in await self._by_queue.setdefault(queue, Rounds(gone)).answer(id)

    def _gone(self, queue: str, ids: frozenset[str]) -> frozenset[str]:
        """First the queue, then the workers: between the two a message goes only that way."""
        try:
            missing = ids.difference(self._waiting(queue))
            return missing - self._held(missing) if missing else missing
        except _TooMany:
            return frozenset()
        except BROKER_AWAY:
            return frozenset()

    def _waiting(self, queue: str) -> Iterator[str]:
        url, seconds = for_client(self._settings.broker_url), REDIS_ANSWERS_WITHIN
        with Redis.from_url(url, socket_timeout=seconds, decode_responses=True) as redis:
            for name in redis_lists(queue):
                # From the end at which messages are put in: what comes meanwhile makes none be missed.
                for first in range(0, redis.llen(name), AT_ONCE):
                    if first > MOST:
                        raise _TooMany
                    yield from redis.eval(_IDS, 1, name, first, first + AT_ONCE - 1)

    def _held(self, ids: frozenset[str]) -> frozenset[str]:
        asked = {"ids": list(ids)}
        replies = self._app.control.broadcast(
            "query_task", arguments=asked, reply=True, timeout=ANSWER_WITHIN
        )
        return frozenset(id for reply in replies or [] for tasks in reply.values() for id in tasks)


class _TooMany(Exception):
    """The queue is too long to be looked through."""
