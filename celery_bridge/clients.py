"""Connections to the result backend for asyncio."""

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from celery_bridge.urls import for_client

T = TypeVar("T")
ANSWER_WITHIN = 5.0

# What a server that is away, restarting or cut off shows as.
AWAY = (RedisError, OSError, TimeoutError)


def client(url: str, name: str | None = None) -> Redis:
    """A client of one connection, which it waits for. It never tries again by itself: its callers do.

    `name` is what CLIENT LIST shows.
    """
    pool = BlockingConnectionPool.from_url(
        for_client(url), max_connections=1, timeout=10, client_name=name, **_options()
    )
    return Redis.from_pool(pool)  # which closes the connections with the client


async def answered(question: Awaitable[T]) -> T:
    """The answer, or TimeoutError after a while; the connection is closed then.

    In place of redis-py's own timeout: that costs a task per command, and may swallow a cancellation.
    """
    async with asyncio.timeout(ANSWER_WITHIN):
        return await question


def opened(url: str) -> AbstractAsyncContextManager[Redis]:
    """A client for the length of a block."""
    return client(url)


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
        "socket_timeout": None,  # `answered` sees to that
        "driver_info": None,  # redis-py would read package metadata for each connection: 0.6 ms
        "retry": Retry(NoBackoff(), 0),
    }
