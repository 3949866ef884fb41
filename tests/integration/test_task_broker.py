"""Tasks of somebody's that are sent to a RabbitMQ that doesn't answer."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from kombu.connection import Connection

from celery_bridge import task_broker
from celery_bridge.settings import BridgeSettings
from celery_bridge.task_broker import TaskBroker
from steps.errors import StepFailed
from steps.task_service import Call
from tests.unit.waiting import wait_until

TASK = "theirs.unconfirmed"


class Way:
    """A way to a RabbitMQ on which, once a task was sent, nothing comes back over the same connection."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self.is_cut = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Its port."""
        async with await asyncio.start_server(self._connected, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(*self._to)
        cut = asyncio.Event()
        answers = asyncio.create_task(self._answers(back, writer, cut))
        while data := await reader.read(65536):
            if TASK.encode() in data and not self.is_cut:
                self.is_cut = True
                cut.set()
            forth.write(data)
        answers.cancel()
        forth.close()
        writer.close()

    async def _answers(
        self, back: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: asyncio.Event
    ) -> None:
        while data := await back.read(65536):
            if not cut.is_set():
                writer.write(data)


def waiting(url: str, queue: str) -> int:
    """How many messages wait in a queue."""
    with Connection(url) as connection:  # type: ignore[no-untyped-call]
        return int(connection.default_channel.queue_declare(queue, passive=True).message_count)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("celery-tasks")]


async def test_a_task_that_is_never_confirmed(
    rabbitmq_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said to have arrived perhaps; no thread waits on, and the next goes another way."""
    url, queue, before = urlsplit(rabbitmq_url), f"theirs-{uuid4()}", len(threads())
    with Connection(rabbitmq_url) as connection:  # type: ignore[no-untyped-call]
        connection.default_channel.queue_declare(queue, durable=True, auto_delete=False)
    way = Way(str(url.hostname), url.port or 5672)
    async with way.open() as port:
        through = rabbitmq_url.replace(f":{url.port}", f":{port}")
        broker = TaskBroker(BridgeSettings.of(through, redis_url))

        async def send() -> None:
            await broker.send(Call(str(uuid4()), TASK, (), {}, queue=queue))

        monkeypatch.setattr(task_broker, "SENT_WITHIN", 150.0)
        monkeypatch.setattr(task_broker, "CONFIRMED_WITHIN", 0.5)
        with pytest.raises(StepFailed, match="may have arrived"):
            await send()
        assert way.is_cut
        await wait_until(lambda: waiting(rabbitmq_url, queue) == 1)
        monkeypatch.setattr(task_broker, "CONFIRMED_WITHIN", 120.0)
        await send()
        await wait_until(lambda: waiting(rabbitmq_url, queue) == 2)
        broker.close()
        await wait_until(lambda: len(threads()) <= before)
