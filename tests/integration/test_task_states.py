"""What is watched while the watching of others ends: a real Redis."""

import asyncio
import json
from uuid import uuid4

import pytest
from redis import Redis

from celery_bridge import lookout, task_states
from celery_bridge.channel import Keys
from celery_bridge.follower import Follower
from celery_bridge.settings import BridgeSettings
from celery_bridge.stored_state import key_of
from celery_bridge.task_states import TaskStates

TURNS = 40


@pytest.mark.timeout(120)
async def test_a_task_is_heard_of_whenever_it_comes(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also just when all is being closed because nothing was watched any more."""
    monkeypatch.setattr(lookout, "LINGER", 0.0)
    monkeypatch.setattr(task_states, "SWEEP_EVERY", 0.2)
    states = TaskStates(redis_url)
    for turns in range(TURNS):
        async with states.watching(str(uuid4())):
            pass
        for _ in range(turns):
            await asyncio.sleep(0)
        id = str(uuid4())
        async with states.watching(id) as watched:
            with Redis.from_url(redis_url) as redis:
                redis.set(key_of(id), json.dumps({"status": "SUCCESS", "result": turns}), ex=60)
            async with asyncio.timeout(20):
                assert (await asyncio.shield(watched.end)).value == turns


@pytest.mark.timeout(120)
async def test_a_run_is_heard_of_whenever_it_comes(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also just when all is being closed because nothing was followed any more."""
    monkeypatch.setattr(lookout, "LINGER", 0.0)
    following = Follower(BridgeSettings.of(redis_url))
    for turns in range(TURNS):
        async with following.watching(Keys(str(uuid4()))):
            await asyncio.sleep(0.01)
        for _ in range(turns):
            await asyncio.sleep(0)
        keys = Keys(str(uuid4()))
        async with following.watching(keys) as followed:
            with Redis.from_url(redis_url) as redis:
                redis.xadd(keys.events, {"claim": "somebody"})
                redis.expire(keys.events, 60)
            async with asyncio.timeout(20):
                await followed.began.wait()
