"""A Redis that has no memory left, and takes nothing new."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from redis import Redis

from celery_bridge.clients import Backend
from celery_bridge.errors import EngineFailed
from celery_bridge.hosting import Assignment, Place, host
from celery_bridge.remote import link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from celery_bridge.termination import Termination
from tests.integration.brokers import RedisServer
from tests.unit.waiting import wait_until


def fill(redis: Redis) -> None:
    """Have it refuse all that takes memory."""
    redis.config_set("maxmemory-policy", "noeviction")
    redis.config_set("maxmemory", 1)


def document(command: str) -> dict[str, object]:
    return {"name": "n", "steps": [{"id": "a", "type": "command", "command": command}]}


async def test_a_lease_is_renewed_and_the_run_goes_on(own_redis: RedisServer, tmp_path: Path) -> None:
    """Nobody takes the run over meanwhile; what there is to tell is told once there is room."""
    up, go = tmp_path / "up", tmp_path / "go"
    steps = document(f"touch {up}; until [ -e {go} ]; do sleep 0.02; done")
    assigned = Assignment(steps, {}, [], str(uuid4()))
    settings = BridgeSettings.of(own_redis.url)
    async with Backend(own_redis.url) as backend:
        with Termination() as termination, Redis.from_url(own_redis.url) as redis:
            hosting = host(assigned, settings, backend, Place("worker", "queue"), termination)
            running = asyncio.create_task(hosting)
            await wait_until(up.exists)
            fill(redis)
            redis.expire(assigned.keys.lease, 600)
            await wait_until(lambda: 0 < int(str(redis.ttl(assigned.keys.lease))) < 60)
            go.touch()
            redis.config_set("maxmemory", 0)
            assert await running == "succeeded"


async def test_a_run_that_can_not_be_taken_back_is_said(own_redis: RedisServer) -> None:
    """It was sent, no worker came, and it may run once one does."""
    settings = BridgeSettings.of(own_redis.url, worker_timeout=1)
    with Redis.from_url(own_redis.url) as redis:
        with pytest.raises(EngineFailed, match=r"could not be taken back and may still run: .*maxmemory"):
            await run_remotely(
                link_to(settings),
                Submission(document("true"), {}, [], str(uuid4())),
                notice=lambda text, level: fill(redis) if text.startswith("Submitted") else None,
            )
        redis.config_set("maxmemory", 0)
