"""How brokers and result backends are judged by what they say."""

from dataclasses import replace
from typing import Any

import pytest

from doctor.documents import DocumentsSeen, LongTimeout
from doctor.findings import State
from doctor.rabbitmq import Queue, RabbitSeen, judge_queue_type, judge_rabbitmq_version
from doctor.redis_checks import (
    judge_eviction,
    judge_memory,
    judge_persistence,
    judge_redis_clock,
    judge_redis_version,
    judge_writing,
)
from doctor.redis_server import RedisSeen
from doctor.timeouts import RABBITMQ_DEFAULT, judge_consumer_timeout, judge_visibility
from doctor.workers import Worker, WorkersSeen
from tests.unit.findings import states, the

REDIS = RedisSeen("the broker", "redis://host/0", version="7.0.15")
RABBIT = RabbitSeen("amqp://host//", "RabbitMQ", "3.10.8", (Queue("opsconductor", 0, 1, True),))
MB = 1024**2


@pytest.mark.parametrize(
    ("product", "version", "state"),
    [
        ("Redis", "7.0.15", "ok"),
        ("Redis", "8.2.0", "ok"),
        ("Redis", "9.0.0", "warning"),
        ("Redis", "6.0.16", "warning"),
        ("Redis", "4.0.9", "error"),
        ("Redis", "", "error"),
        ("Valkey", "9.1.2", "ok"),
        ("Valkey", "10.0", "warning"),
    ],
)
def test_redis_version(product: str, version: str, state: State) -> None:
    """Versions that we know work, others may, those without streams don't."""
    the(judge_redis_version(replace(REDIS, product=product, version=version)), state, product)


@pytest.mark.parametrize(
    ("info", "product", "version"),
    [
        ({"redis_version": "7.0.15"}, "Redis", "7.0.15"),
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, "Valkey", "9.1.2"),
    ],
)
def test_valkey_is_known_by_its_own_version(info: dict[str, Any], product: str, version: str) -> None:
    """A Valkey also tells the version of Redis that it stands in for."""
    seen = RedisSeen.of_info("the broker", "redis://u:secret@host/0", info)
    assert (seen.product, seen.version, seen.url) == (product, version, "redis://u:***@host/0")


@pytest.mark.parametrize(
    ("policy", "most", "state"),
    [
        ("noeviction", 0, "ok"),
        ("noeviction", MB, "ok"),
        (None, MB, "ok"),
        ("allkeys-lru", MB, "error"),
        ("volatile-ttl", MB, "error"),
        ("allkeys-lru", 0, "warning"),
    ],
)
def test_eviction(policy: str | None, most: int, state: State) -> None:
    """Nothing may be thrown away when memory is full."""
    the(judge_eviction(replace(REDIS, policy=policy, most_memory=most)), state)


@pytest.mark.parametrize(("used", "state"), [(89, "ok"), (90, "warning"), (120, "warning")])
def test_memory(used: int, state: State) -> None:
    """A memory that is nearly full is told before it is."""
    the(judge_memory(replace(REDIS, memory=used, most_memory=100)), state, f"{used}%")


@pytest.mark.parametrize(
    ("append_only", "fails", "state"),
    [(True, False, "ok"), (False, False, "warning"), (True, True, "error"), (False, True, "error")],
)
def test_persistence(append_only: bool, fails: bool, state: State) -> None:
    """What is queued outlives a restart."""
    the(judge_persistence(replace(REDIS, append_only=append_only, writes_fail=fails)), state)


@pytest.mark.parametrize(
    ("role", "refusal", "state"),
    [
        ("master", "", "ok"),
        ("slave", "", "error"),
        ("master", "OOM command not allowed when used memory > 'maxmemory'.", "error"),
        ("master", "NOPERM this user has no permissions to run the 'eval' command", "error"),
    ],
)
def test_writing(role: str, refusal: str, state: State) -> None:
    """It takes what runs write."""
    the(judge_writing(replace(REDIS, role=role, unwritable=refusal)), state, refusal)


@pytest.mark.parametrize(
    "judge",
    [
        judge_redis_version,
        judge_eviction,
        judge_memory,
        judge_persistence,
        judge_writing,
        judge_redis_clock,
        judge_rabbitmq_version,
        judge_queue_type,
    ],
)
def test_nothing_to_judge(judge: Any) -> None:
    """Of a server that there isn't nothing is said."""
    assert states(judge(None)) == []


@pytest.mark.parametrize(
    ("product", "version", "state"),
    [
        ("RabbitMQ", "3.10.8", "ok"),
        ("RabbitMQ", "4.1.0", "ok"),
        ("RabbitMQ", "3.9.1", "warning"),
        ("RabbitMQ", "3.7.0", "error"),
        ("LavinMQ", "2.1.0", "warning"),
    ],
)
def test_rabbitmq_version(product: str, version: str, state: State) -> None:
    """Versions with quorum queues, of RabbitMQ itself."""
    the(judge_rabbitmq_version(replace(RABBIT, product=product, version=version)), state)


@pytest.mark.parametrize(("quorum", "state"), [(True, "ok"), (None, "skipped"), (False, "error")])
def test_queue_type(quorum: bool | None, state: State) -> None:
    """A classic queue of our name is in the way."""
    the(
        judge_queue_type(replace(RABBIT, queues=(Queue("opsconductor", 3, 1, quorum),))),
        state,
        "opsconductor",
    )


def documents(seconds: float | None) -> DocumentsSeen:
    """Documents of which the longest may take so long."""
    longest = LongTimeout(seconds, "Backup", "steps[0].timeout") if seconds is not None else None
    return DocumentsSeen(("workflows",), (), named=True, count=1, longest=longest)


@pytest.mark.parametrize(
    ("options", "longest", "state"),
    [
        ({"visibility_timeout": 600}, 599.0, "ok"),
        ({"visibility_timeout": 600}, 600.0, "warning"),
        ({"visibility_timeout": 600}, None, "ok"),
        ({}, 3599.0, "ok"),
        ({}, 3600.0, "warning"),
        (None, 7200.0, "warning"),
    ],
)
def test_visibility_timeout(options: dict[str, Any] | None, longest: float | None, state: State) -> None:
    """It outlasts the longest timeout; a worker that sets none has Redis' hour."""
    worker = Worker("w@1", conf={"broker_transport_options": options})
    seen = WorkersSeen(("opsconductor",), "redis://host/0", "redis://host/0", (worker,))
    words = ("w@1", "'Backup'", "visibility_timeout") if state == "warning" else ()
    the(judge_visibility(43200, seen, documents(longest)), state, *words)


def test_our_own_visibility_timeout() -> None:
    """Without a worker to ask, what ours will have counts."""
    seen = WorkersSeen(("opsconductor",), "redis://host/0", "redis://host/0")
    the(judge_visibility(43200, seen, documents(50_000)), "warning", "100000")
    the(judge_visibility(43200, seen, documents(40_000)), "ok")


def test_consumer_timeout() -> None:
    """RabbitMQ waits half an hour for a worker unless it is told to wait longer."""
    the(judge_consumer_timeout(RABBIT, documents(RABBITMQ_DEFAULT - 1)), "ok")
    the(judge_consumer_timeout(RABBIT, documents(RABBITMQ_DEFAULT)), "warning", "consumer_timeout = 3600000")
    assert states(judge_consumer_timeout(None, documents(RABBITMQ_DEFAULT))) == []
