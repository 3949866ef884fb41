"""A message that a worker took along when it died, before it began."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from celery_bridge import whereabouts
from celery_bridge.app import make_app
from celery_bridge.priorities import redis_lists
from celery_bridge.remote import link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from celery_bridge.whereabouts import GONE, Whereabouts
from codegen.result import Report
from tests.integration.brokers import Worker
from tests.unit.waiting import wait_until


def submission(command: str, **keys: Any) -> Submission:
    steps = [{"id": "a", "type": "command", "command": command}]
    return Submission({"name": "n", "steps": steps, **keys}, {}, [], str(uuid4()))


def waits_in(redis_url: str, queue: str) -> list[str]:
    """Of the lists of a queue, those with messages."""
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        return [name for name in redis_lists(queue) if redis.llen(name)]


@pytest.fixture
def queue(redis_url: str) -> Iterator[str]:
    """One that nobody takes from."""
    name = f"queue-{uuid4()}"
    yield name
    with Redis.from_url(redis_url) as redis:
        redis.delete(*redis_lists(name))


async def test_a_message_that_died_with_its_worker_is_sent_again(
    redis_url: str, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same id, each time that it happens; it isn't waited for until the broker thinks of it."""
    monkeypatch.setattr(whereabouts, "LOOK_EVERY", 0.05)
    settings, told = BridgeSettings.of(redis_url, queue=queue, worker_timeout=600), list[str]()
    running = asyncio.create_task(
        run_remotely(link_to(settings), submission("true"), notice=lambda text, level: told.append(text))
    )
    with Redis.from_url(redis_url) as redis:
        for times in range(3):
            await wait_until(lambda: bool(waits_in(redis_url, queue)))
            assert told.count(GONE) >= times
            redis.delete(*redis_lists(queue))
    running.cancel()
    assert (await running).cancelled


async def test_what_waits_or_is_at_a_worker_is_not_gone(
    redis_url: str, queue: str, celery_worker: Worker, tmp_path: Path
) -> None:
    """However long the queue, and whatever the priority."""
    up, go = tmp_path / "up", tmp_path / "go"
    settings = BridgeSettings.of(redis_url)
    looking = Whereabouts(make_app(settings, for_sending=True), settings)
    sender = link_to(settings).sender
    many = [submission("true", queue=queue, priority="low") for _ in range(whereabouts.AT_ONCE + 50)]
    for one in many:
        await sender.send(one, await sender.keys(one))
    held = submission(f"touch {up}; until [ -e {go} ]; do sleep 0.02; done")
    running: asyncio.Task[Report] = asyncio.create_task(run_remotely(link_to(settings), held))
    await wait_until(up.exists)
    ids = [one.run_id for one in many]
    assert not any(await asyncio.gather(*(looking.is_gone(id, queue) for id in [*ids, held.run_id])))
    assert await looking.is_gone(str(uuid4()), queue)
    go.touch()
    assert (await running).success
