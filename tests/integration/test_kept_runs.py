"""What runs leave behind in the process of a pool that runs one after the other."""

import asyncio
import gc
import threading
from uuid import uuid4

import pytest

from celery_bridge import kept
from celery_bridge.app_brokers import tasks_from_worker
from celery_bridge.clients import Backend
from celery_bridge.settings import BridgeSettings
from celery_bridge.user_tasks import TaskLink
from steps.task_service import Call
from tests.integration.brokers import until


def left() -> list[object]:
    """What runs went by to send tasks, and is still there."""
    gc.collect()
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("celery-tasks")]
    return threads + [one for one in gc.get_objects() if type(one) is TaskLink]


def test_runs_that_send_tasks_leave_nothing_behind(redis_url: str) -> None:
    """Neither threads nor apps: a process of the pool may see thousands of them."""
    settings, queue = BridgeSettings.of(redis_url), f"kept-{uuid4()}"
    before = left()

    async def sends(_: Backend) -> None:
        call = Call(str(uuid4()), "theirs.add", (), {}, queue=queue, ignore_result=True)
        assert (await tasks_from_worker(settings).run(call, lambda text: None)).state == "SENT"
        assert len(left()) > len(before)

    async def fails(_: Backend) -> None:
        raise ValueError("no")

    for _ in range(5):
        kept.run(redis_url, sends)
    with pytest.raises(ValueError, match="no"):  # after which nothing is kept
        kept.run(redis_url, fails)
    until(lambda: len(left()) <= len(before), "the end of what they went by")


def test_a_name_that_was_looked_up_does_not_count_as_left_behind(redis_url: str) -> None:
    """It is looked up in a thread, which is done by then: the next run has the same loop."""
    url = redis_url.replace("127.0.0.1", "localhost")

    async def asks(backend: Backend) -> asyncio.AbstractEventLoop:
        assert await backend.ask(lambda redis: redis.ping())
        return asyncio.get_running_loop()

    assert kept.run(url, asks) is kept.run(url, asks)
