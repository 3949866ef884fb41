"""Ends a run through Redis: the lasting word, which workers read before and during a run."""

from collections.abc import Awaitable
from typing import Any

from redis.asyncio import Redis

from celery_bridge.channel import Keys
from celery_bridge.clients import Backend

# A run that was withdrawn never began, so the same id may be sent again; one that was cancelled stays so.
_WITHDRAW = """
if redis.call('EXISTS', KEYS[1], KEYS[3]) > 0 then return 0 end
redis.call('SET', KEYS[2], 'withdrawn', 'EX', ARGV[1])
return 1
"""
_CANCEL = """
redis.call('SET', KEYS[2], 'cancelled', 'EX', ARGV[1])
return redis.call('EXISTS', KEYS[1], KEYS[3])
"""


async def withdraw(backend: Backend, keys: Keys, ttl: int) -> bool:
    """Take back a run that no worker has begun; false when one has, and nothing was changed."""
    return bool(await _evaluate(backend, _WITHDRAW, keys, ttl))


async def cancel(backend: Backend, keys: Keys, ttl: int) -> bool:
    """Cancel a run; whether a worker had begun it, and so will report."""
    return bool(await _evaluate(backend, _CANCEL, keys, ttl))


async def _evaluate(backend: Backend, script: str, keys: Keys, ttl: int) -> Any:
    def evaluate(redis: Redis) -> Awaitable[Any]:
        return redis.eval(script, 3, keys.lease, keys.cancel, keys.events, str(ttl))

    return await backend.ask(evaluate)
