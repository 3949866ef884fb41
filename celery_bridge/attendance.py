"""Is there a worker? Asked when a run doesn't begin at once, and said rather than waited for in silence."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from logging import WARNING
from typing import TypeVar

from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import KombuError

from celery_bridge.clients import AWAY
from celery_bridge.errors import EngineUnreachable
from celery_bridge.followed import Followed, Notice
from celery_bridge.settings import QUEUE, BridgeSettings
from celery_bridge.urls import masked

T = TypeVar("T")

# What a broker that is away or refuses shows as. AMQP's own errors are none of kombu's.
BROKER_AWAY = (KombuError, AMQPError, *AWAY)
FIRST_LOOK = 3.0
BETWEEN_LOOKS = 2.0
BETWEEN_BUSY_LOOKS = 15.0
ANSWER_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Roll:
    """How many workers answered, and how many of them take from the queue."""

    queue: str
    answered: int
    attending: int


class Attendance:
    """Calls the roll of a queue's workers, for any number of runs that wait at the same time."""

    def __init__(self, app: Celery, settings: BridgeSettings) -> None:
        self._app = app
        self._settings = settings
        self._one_at_a_time = asyncio.Lock()
        self._called_at = 0.0
        self._taken: list[frozenset[str]] = []

    async def roll(self, queue: str) -> Roll:
        """Who attends, as of now or a moment ago. A broker that can't be asked has no workers."""
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            if not self._called_at or loop.time() - self._called_at > BETWEEN_LOOKS / 2:
                try:
                    self._taken = await asyncio.to_thread(self._call)
                except BROKER_AWAY:
                    self._taken = []
                self._called_at = loop.time()
            return Roll(queue, len(self._taken), sum(queue in queues for queues in self._taken))

    async def see_begun(self, followed: Followed, queue: str, notice: Notice) -> None:
        """Return once a worker of the queue has begun the run. EngineUnreachable: none attends in time."""
        loop, timeout = asyncio.get_running_loop(), self._settings.worker_timeout
        give_up = loop.time() + timeout
        pause, said = min(FIRST_LOOK, timeout / 2), ""
        while not await _began(followed, pause):
            roll = await self.roll(queue)
            if roll.attending:
                give_up, pause = loop.time() + timeout, BETWEEN_BUSY_LOOKS
                text = "The workflow waits behind other work: all workers are busy"
            elif loop.time() >= give_up:
                raise EngineUnreachable(f"{self._absence(roll)} within {timeout:g} s. {_cure(queue)}")
            else:
                pause = min(BETWEEN_LOOKS, max(0.05, give_up - loop.time()))
                text = f"{self._absence(roll)}; the workflow waits. {_cure(queue)}"
            if text != said:
                said = text
                notice(text, WARNING)

    def _call(self) -> list[frozenset[str]]:
        """The queues that each worker takes from."""
        return list(once_more(lambda: queues_taken(self._app)).values())

    def _absence(self, roll: Roll) -> str:
        where = f"queue {roll.queue!r} of {masked(self._settings.broker_url)}"
        if roll.answered:
            return f"Of {roll.answered} Celery workers that answer, none takes from {where}"
        return f"No Celery worker answers on {where}"


def _cure(queue: str) -> str:
    by_up = "`opsconductor up`" if queue == QUEUE else f"`OPSCONDUCTOR_QUEUES={queue} opsconductor up`"
    return (
        f"Start one: {by_up}, or `celery -A celery_bridge.worker worker -Q {queue}`, "
        "or add `-I celery_bridge.tasks` to your own."
    )


def once_more(question: Callable[[], T]) -> T:
    """The answer to a question, put again where its connection broke.

    One that was kept open may have died without notice, with a server that was started again.
    """
    try:
        return question()
    except BROKER_AWAY:
        return question()


def queues_taken(app: Celery, within: float = ANSWER_WITHIN) -> dict[str, frozenset[str]]:
    """The queues that each worker takes from, of those that answer `within` so many seconds."""
    replies = app.control.broadcast("active_queues", reply=True, timeout=within) or []
    return {
        worker: frozenset(one["name"] for one in queues or ())
        for reply in replies
        for worker, queues in reply.items()
    }


async def _began(followed: Followed, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await followed.began.wait()
    return followed.began.is_set()
