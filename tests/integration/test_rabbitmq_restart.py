"""What was connected to a RabbitMQ before it was started again."""

import asyncio
from uuid import uuid4

from kombu.connection import Connection

from celery_bridge.remote import link_to
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from celery_bridge.task_broker import TaskBroker
from steps.task_service import Call
from tests.integration.brokers import RabbitServer
from tests.unit.waiting import wait_until

AT_ONCE = 8


def waiting(url: str, queue: str) -> int:
    """How many messages wait in a queue."""
    with Connection(url) as connection:  # type: ignore[no-untyped-call]
        return int(connection.default_channel.queue_declare(queue, passive=True).message_count)


def submission(queue: str) -> Submission:
    return Submission(
        {"name": "n", "steps": [{"id": "a", "type": "command", "command": "true"}], "queue": queue},
        {},
        [],
        str(uuid4()),
    )


async def test_what_is_sent_after_a_restart_arrives(redis_url: str, own_rabbitmq: RabbitServer) -> None:
    """Once, though every connection that was opened before is dead and doesn't know it."""
    queue, url = "queue-restart", own_rabbitmq.url
    settings = BridgeSettings.of(url, redis_url)
    sender, tasks = link_to(settings).sender, TaskBroker(settings)

    async def send() -> None:
        one = submission(queue)
        assert await sender.send(one, await sender.keys(one))

    async def call() -> None:
        await tasks.send(Call(str(uuid4()), "theirs.add", (), {}, queue=queue))

    async def many(arrived: int) -> None:
        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        await asyncio.gather(*(call() for _ in range(AT_ONCE)))
        await wait_until(lambda: waiting(url, queue) == arrived)

    await send()  # which makes the queue
    await many(arrived=1 + 2 * AT_ONCE)
    own_rabbitmq.stop()
    own_rabbitmq.start()
    await many(arrived=1 + 4 * AT_ONCE)
