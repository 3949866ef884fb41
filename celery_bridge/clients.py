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


def client(url: str, connections: int = 1) -> Redis:
    """A client that waits for one of few connections. It never tries again by itself: its callers do."""
    pool = BlockingConnectionPool.from_url(
        for_client(url), max_connections=connections, timeout=10, **_options()
    )
    return Redis(connection_pool=pool)


async def answered(question: Awaitable[T]) -> T:
    """The answer, or TimeoutError after a while; the connection is closed then.

    In place of redis-py's own timeout: that costs a task per command, and may swallow a cancellation.
    """
    async with asyncio.timeout(ANSWER_WITHIN):
        return await question


def opened(url: str) -> AbstractAsyncContextManager[Redis]:
    """A client for the length of a block."""
    return client(url)


def connection(url: str) -> Connection:
    """A bare connection, not connected yet, for a subscriber."""
    pool = ConnectionPool.from_url(for_client(url), **_options())
    made: Connection = pool.make_connection()  # type: ignore[no-untyped-call]
    return made


def _options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        "protocol": 2,
        "socket_connect_timeout": 2.0,
        "socket_timeout": None,  # `answered` sees to that
        "driver_info": None,  # to say its version, redis-py reads package metadata for each connection: 0.6 ms
        "retry": Retry(NoBackoff(), 0),
    }
