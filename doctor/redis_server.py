"""What a Redis or Valkey says of itself, and whether it takes what we write."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from celery_bridge.priorities import redis_lists
from celery_bridge.settings import BridgeSettings
from celery_bridge.urls import for_client, is_rabbitmq, masked, speaks_redis
from doctor.clocks import Clock
from doctor.findings import Finding, NotSeen, fault, skipped
from doctor.site import Bridge

PATIENCE = 3.0
PREFIX = "opsconductor:doctor:"


@dataclass(frozen=True, slots=True)
class RedisSeen:
    """A server that speaks the Redis protocol. `whose` is what it is to us; None means that it doesn't tell.

    `unwritable` is why it doesn't take what is written; empty: it does.
    """

    whose: str
    url: str
    product: str = "Redis"
    version: str = ""
    role: str = "master"
    policy: str | None = None
    memory: int = 0
    most_memory: int = 0
    append_only: bool = True
    writes_fail: bool = False
    unwritable: str = ""
    clock: Clock | None = None

    @classmethod
    def of_info(cls, whose: str, url: str, info: Mapping[str, Any], **more: Any) -> Self:
        """From what INFO says."""
        valkey = info.get("valkey_version")
        failed = (
            info.get(f"{kind}_status", "ok")
            for kind in ("aof_last_write", "aof_last_bgrewrite", "rdb_last_bgsave")
        )
        return cls(
            whose=whose,
            url=masked(url),
            product="Valkey" if valkey else "Redis",
            version=str(valkey or info.get("redis_version", "")),
            role=str(info.get("role", "master")),
            policy=info.get("maxmemory_policy"),
            memory=int(info.get("used_memory", 0)),
            most_memory=int(info.get("maxmemory", 0)),
            append_only=bool(info.get("aof_enabled", 0)),
            writes_fail=any(status != "ok" for status in failed),
            **more,
        )


def see_redis_broker(bridge: Bridge) -> RedisSeen | None:
    """The broker; None where that is a RabbitMQ."""
    settings = bridge.settings
    return (
        None if is_rabbitmq(settings.broker_url) else _see("the broker", settings.broker_url, bridge.source)
    )


def see_results(bridge: Bridge) -> RedisSeen | None:
    """The result backend; None where the broker is it."""
    if _same(bridge.settings):
        return None
    source = "OPSCONDUCTOR_RESULT_BACKEND" if bridge.source == "OPSCONDUCTOR_BROKER_URL" else bridge.source
    return _see("the result backend", bridge.settings.result_backend, source)


def queue_lengths(url: str, queues: Iterable[str]) -> dict[str, int]:
    """How many messages wait in each."""
    with client(url) as redis:
        return {queue: sum(int(redis.llen(key)) for key in redis_lists(queue)) for queue in queues}


def client(url: str) -> "Redis":
    """A client with short patience."""
    return Redis.from_url(
        for_client(url),
        decode_responses=True,
        encoding_errors="replace",
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )


def _same(settings: BridgeSettings) -> bool:
    return settings.result_backend == settings.broker_url


def _see(whose: str, url: str, source: str) -> RedisSeen:
    if not speaks_redis(url):
        raise NotSeen(_several(whose, url))
    try:
        with client(url) as redis:
            info = redis.info()
            return RedisSeen.of_info(whose, url, info, clock=_clock(redis), unwritable=_refusal(redis))
    except (RedisError, OSError, ValueError) as error:
        cure = f"start it, or correct {source}"
        if source == "opsconductor up":
            cure = "`opsconductor down` and `opsconductor up` start it anew"
        what = f"{whose} {masked(url)} can't be reached"
        raise NotSeen(fault(what, str(error) or type(error).__name__, cure, source=source)) from None


def _several(whose: str, url: str) -> Finding:
    what = f"{whose} is several servers to fall back on"
    return skipped(what, "which of them is in use can not be told", url=masked(url))


def _clock(redis: "Redis") -> Clock:
    asked, began = time.time(), time.monotonic()
    seconds, micros = redis.time()
    return Clock.read(seconds + micros / 1e6, asked, time.monotonic() - began)


def _refusal(redis: "Redis") -> str:
    """Why it doesn't take a key, a stream and a script, which is what runs need; empty: it does."""
    key = f"{PREFIX}{uuid4().hex}"
    questions: tuple[Callable[[], Any], ...] = (
        lambda: redis.set(key, "1", ex=30),
        lambda: redis.xadd(f"{key}:stream", {"a": "1"}),
        lambda: redis.expire(f"{key}:stream", 30),
        lambda: redis.eval("return redis.call('GET', KEYS[1])", 1, key),
        lambda: redis.publish(key, ""),
    )
    try:
        for ask in questions:
            ask()
    except ResponseError as error:
        return str(error)
    finally:
        with suppress(ResponseError):
            redis.delete(key, f"{key}:stream")
    return ""
