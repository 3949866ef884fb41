"""Is there a worker? Asked when a run doesn't begin at once, and said rather than waited for in silence."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from celery import Celery
from kombu.exceptions import KombuError

from celery_bridge.clients import AWAY
from celery_bridge.errors import EngineUnreachable
from celery_bridge.followed import Followed, Notice
from celery_bridge.settings import BridgeSettings
from celery_bridge.urls import masked

FIRST_LOOK = 3.0
BETWEEN_LOOKS = 2.0
BETWEEN_BUSY_LOOKS = 15.0
ANSWER_WITHIN = 1.0


@dataclass(frozen=True, slots=True)
class Roll:
    """How many workers answered, and how many of them take from the queue."""

    answered: int
    attending: int


def called(app: Celery, queue: str) -> Roll:
    """Ask all workers what they take from. Blocks for a second."""
    replies = app.control.broadcast("active_queues", reply=True, timeout=ANSWER_WITHIN) or []
    taken = [queues for reply in replies for queues in reply.values()]
    return Roll(len(taken), sum(any(one["name"] == queue for one in queues or ()) for queues in taken))


async def attended(followed: Followed, app: Celery, settings: BridgeSettings, notice: Notice) -> None:
    """Return once a worker has begun the run. Raises EngineUnreachable when none attends in time."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + settings.worker_timeout
    pause, said = min(FIRST_LOOK, settings.worker_timeout / 2), ""
    while not await _began(followed, pause):
        roll = await _roll(app, settings.queue)
        if roll.attending:
            give_up, pause = loop.time() + settings.worker_timeout, BETWEEN_BUSY_LOOKS
            text = "The workflow waits behind other work: all workers are busy"
        elif loop.time() >= give_up:
            raise EngineUnreachable(
                f"{_absence(roll, settings)} within {settings.worker_timeout:g} s. {_cure(settings)}"
            )
        else:
            pause = min(BETWEEN_LOOKS, max(0.05, give_up - loop.time()))
            text = f"{_absence(roll, settings)}; the workflow waits. {_cure(settings)}"
        if text != said:
            said = text
            notice(text)


async def _began(followed: Followed, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await followed.began.wait()
    return followed.began.is_set()


async def _roll(app: Celery, queue: str) -> Roll:
    try:
        return await asyncio.to_thread(called, app, queue)
    except (KombuError, *AWAY):
        return Roll(0, 0)


def _absence(roll: Roll, settings: BridgeSettings) -> str:
    where = f"queue {settings.queue!r} of {masked(settings.broker_url)}"
    if roll.answered:
        return f"Of {roll.answered} Celery workers that answer, none takes from {where}"
    return f"No Celery worker answers on {where}"


def _cure(settings: BridgeSettings) -> str:
    return (
        f"Start one: `opsconductor up`, or `celery -A celery_bridge.worker worker -Q {settings.queue}`, "
        "or add `-I celery_bridge.tasks` to your own."
    )
