"""The way of messages to somebody's workers: sends tasks, revokes them, and asks who has them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from amqp.exceptions import ChannelError, NotFound
from kombu.entity import Queue

from celery_bridge.app import make_app
from celery_bridge.attendance import ANSWER_WITHIN, BROKER_AWAY, Attendance, Roll, once_more
from celery_bridge.rounds import Rounds
from celery_bridge.settings import BridgeSettings
from celery_bridge.urls import is_rabbitmq, masked
from steps.errors import StepFailed
from steps.task_service import Call

DEFAULT_QUEUE = "celery"
AT_ONCE = 4
REACHED_WITHIN = 2.5
SENT_WITHIN = 15.0
CONFIRMED_WITHIN = 10.0
"""Less than passes between two heartbeats of a RabbitMQ: each of them would have it begin anew."""
Replies = list[dict[str, Any]]
T = TypeVar("T")


class NotSent(StepFailed):
    """Nothing of it has reached the broker."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker that has a task: `active`, `reserved` or `scheduled`."""

    worker: str
    state: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What workers answer to a revocation: which one had the task, and which can't end what they run."""

    ended_by: str | None = None
    unable: frozenset[str] = frozenset()


class _Point:
    """The point from which on a message may have arrived: either it is given up before, or gone on after."""

    def __init__(self) -> None:
        self._free = threading.Lock()

    def go_on(self) -> bool:
        """Pass it; false: it was given up."""
        return self._free.acquire(blocking=False)

    def give_up(self) -> bool:
        """Have it never passed; false: it was."""
        return self._free.acquire(blocking=False)


class TaskBroker:
    """One broker. Celery's own calls block, so they run in a few threads."""

    def __init__(self, settings: BridgeSettings) -> None:
        self._settings = settings
        self._app = make_app(settings, for_sending=True)
        # Each has its thread at once: time spent in line for one must not look like a broker that is away.
        self._threads = ThreadPoolExecutor(AT_ONCE + 2, "celery-tasks")
        self._places = asyncio.Semaphore(AT_ONCE)
        self._revocations = Rounds(self._revoked)
        self._searches = Rounds(self._searched)
        self._attendance = Attendance(self._app, settings)

    @property
    def name(self) -> str:
        """Its address, without passwords."""
        return masked(self._settings.broker_url)

    def close(self) -> None:
        """End its threads as they come to it. Connections are not its own: kombu shares them in a process."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._app.close()

    async def send(self, call: Call) -> None:
        """Send a call. NotSent, or StepFailed: it may have arrived all the same."""
        async with self._places:
            await self._sent(call)

    async def _sent(self, call: Call) -> None:
        point = _Point()
        try:
            await self._in_thread(lambda: self._deliver(call, point), SENT_WITHIN)
        except BROKER_AWAY as error:
            if point.give_up():
                raise NotSent(f"{call.task} was not sent: the broker {self.name} {_reason(error)}") from None
            raise StepFailed(
                f"{call.label} could not be sent, though it may have arrived: "
                f"the broker {self.name} {_reason(error)}"
            ) from None

    async def revoke(self, call: Call) -> Receipt | None:
        """Tell all workers to drop or to end it. None: the broker can't be reached."""
        replies = await self._revocations.answer(call.id)
        return None if replies is None else _receipt(replies, call.id)

    async def holder(self, call: Call) -> Holder | None:
        """The worker that says it has the task, where one does."""
        return _holder(await self._searches.answer(call.id) or [], call.id)

    async def roll(self, queue: str | None) -> Roll:
        """Who takes from a queue."""
        return await self._attendance.roll(queue or DEFAULT_QUEUE)

    async def waiting(self, queue: str | None) -> int | None:
        """How many messages wait in a queue. None: the broker can't be reached."""
        return await self._asked(lambda: self._length(queue or DEFAULT_QUEUE))

    def _length(self, queue: str) -> int:
        with (
            self._app.producer_pool.acquire(block=True, timeout=REACHED_WITHIN) as producer,
            producer.connection.channel() as channel,
        ):
            try:
                return int(channel.queue_declare(queue=queue, passive=True).message_count)
            except ChannelError:  # on a Redis an empty queue is one that isn't there
                return 0

    def _deliver(self, call: Call, point: _Point) -> None:
        """Send it over a connection that was seen to work a moment ago."""
        with self._app.producer_pool.acquire(block=True, timeout=REACHED_WITHIN) as producer:
            self._reach(producer, call)
            if point.go_on():
                try:
                    self._send(producer, call)
                except BaseException:
                    # A confirmation that comes late must not be taken for that of the next message.
                    producer.connection.collect()
                    raise

    def _reach(self, producer: Any, call: Call) -> None:
        connection = producer.connection
        connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=REACHED_WITHIN)
        if is_rabbitmq(self._settings.broker_url):  # which drops what is for a queue that isn't there
            check = connection.ensure(producer, _check_queue, max_retries=1, interval_start=0.1)
            check(connection, call.queue or DEFAULT_QUEUE)

    def _send(self, producer: Any, call: Call) -> None:
        # Never declared from here: what kind of queue it is, is the app's affair.
        name = call.queue or DEFAULT_QUEUE
        self._app.send_task(
            call.task,
            args=list(call.args),
            kwargs=dict(call.kwargs),
            task_id=call.id,
            queue=Queue(name, routing_key=name, no_declare=True),  # type: ignore[no-untyped-call]
            parent_id=call.parent,
            add_to_parent=False,
            expires=call.expires,
            ignore_result=call.ignore_result,
            producer=producer,
            # What a RabbitMQ has not confirmed it may have all the same: sent again it would run twice.
            retry=not is_rabbitmq(self._settings.broker_url),
            confirm_timeout=CONFIRMED_WITHIN,
            argsrepr="...",  # workers' logs and monitors show it
            kwargsrepr="...",
        )

    async def _revoked(self, ids: list[str]) -> Replies | None:
        return await self._asked(
            lambda: self._broadcast("revoke", task_id=ids, terminate=True, signal="SIGTERM")
        )

    async def _searched(self, ids: list[str]) -> Replies | None:
        return await self._asked(lambda: self._broadcast("query_task", ids=ids))

    def _broadcast(self, command: str, **arguments: Any) -> Replies:
        return (
            self._app.control.broadcast(command, arguments=arguments, reply=True, timeout=ANSWER_WITHIN) or []
        )

    async def _asked(self, question: Callable[[], T]) -> T | None:
        try:
            return await self._in_thread(lambda: once_more(question), SENT_WITHIN)
        except BROKER_AWAY:
            return None

    async def _in_thread(self, work: Callable[[], T], within: float) -> T:
        async with asyncio.timeout(within):
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _check_queue(connection: Any, queue: str) -> None:
    try:
        with connection.channel() as channel:
            channel.queue_declare(queue=queue, passive=True)
    except NotFound:
        raise NotSent(
            f"there is no queue {queue!r}; start a worker that takes from it, or name another under queue"
        ) from None


def _holder(replies: Replies, id: str) -> Holder | None:
    for reply in replies:
        for worker, tasks in reply.items():
            if isinstance(tasks, dict) and id in tasks:
                return Holder(worker, str(tasks[id][0]))
    return None


def _receipt(replies: Replies, id: str) -> Receipt:
    """Workers without the task answer `terminate: tasks unknown`, too, and may store it as revoked."""
    ended_by, unable = None, set[str]()
    for reply in replies:
        for worker, answer in reply.items():
            if id in str(answer.get("ok", "")):
                ended_by = worker
            elif "error" in answer:
                unable.add(worker)
    return Receipt(ended_by, frozenset(unable))


def _reason(error: BaseException) -> str:
    return f"can't be reached ({masked(str(error)).rstrip('.') or 'no answer in time'})"
