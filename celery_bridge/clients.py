"""Connections to the result backend for asyncio."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from celery_bridge.urls import for_client

T = TypeVar("T")
ANSWER_WITHIN = 5.0
PATIENCE = 30.0
AGAIN_AFTER = 0.5

# What a server that is away, restarting or cut off shows as.
AWAY = (RedisError, OSError, TimeoutError)


class Backend:
    """One connection to the result backend, used in turn. It never tries again by itself: its callers do.

    `name` is what CLIENT LIST shows.
    """

    def __init__(self, url: str, name: str | None = None) -> None:
        pool = ConnectionPool.from_url(for_client(url), max_connections=1, client_name=name, **_options())
        self._redis = Redis.from_pool(pool)  # which closes the connection with the client
        self._turn = asyncio.Lock()

    async def ask(self, question: Callable[[Redis], Awaitable[T]]) -> T:
        """The answer, or TimeoutError after a while; the connection is closed then. Waiting in line is free.

        In place of redis-py's own timeout: that costs a task per command, and may swallow a cancellation.
        """
        return await self._in_turn(question)

    async def insist(self, question: Callable[[Redis], Awaitable[T]], patience: float = PATIENCE) -> T:
        """The answer, also of a server that is away for a while. It may be asked more than once."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return await self.ask(question)
            except AWAY:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(AGAIN_AFTER)

    async def ask_all(self, questions: Callable[[Pipeline], object], *, together: bool = False) -> list[Any]:
        """The answers to many questions on one way there and back; an error may be one of them.

        `together`: a server that can't take one of them for want of memory takes none.
        """
        pipeline = self._redis.pipeline(transaction=together)
        questions(pipeline)
        return list(await self._in_turn(lambda _: pipeline.execute(raise_on_error=False)))

    async def _in_turn(self, question: Callable[[Redis], Awaitable[T]]) -> T:
        async with self._turn, asyncio.timeout(ANSWER_WITHIN):
            return await question(self._redis)

    async def aclose(self) -> None:
        """Close the connection, after the question that is under way; the next one opens one again."""
        async with self._turn:
            await self._redis.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def connection(url: str, name: str) -> Connection:
    """A bare connection, not connected yet, for a subscriber."""
    pool = ConnectionPool.from_url(for_client(url), client_name=name, **_options())
    made: Connection = pool.make_connection()  # type: ignore[no-untyped-call]
    return made


def _options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        "encoding_errors": "replace",  # an app of somebody's may store results that are no text
        "protocol": 2,
        "socket_connect_timeout": 2.0,
        "socket_timeout": None,  # `ask` sees to that
        "driver_info": None,  # redis-py would read package metadata for each connection: 0.6 ms
        "retry": Retry(NoBackoff(), 0),
    }
