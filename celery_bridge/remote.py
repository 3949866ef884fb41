"""Runs a workflow on Celery from here: sends it, follows it, and sees to it that it ends when asked to."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from logging import INFO, WARNING
from typing import Any
from weakref import WeakKeyDictionary

from celery_bridge.app import make_app
from celery_bridge.attendance import Attendance
from celery_bridge.background import alongside
from celery_bridge.calling_off import cancel, withdraw
from celery_bridge.channel import Keys
from celery_bridge.clients import AWAY
from celery_bridge.counts import Tally, counted
from celery_bridge.errors import EngineFailed, EngineUnreachable, WorkerLost
from celery_bridge.followed import Followed, Notice, no_notice
from celery_bridge.follower import Follower
from celery_bridge.lease import HEARD
from celery_bridge.never_started import never_started
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Sender, Submission
from celery_bridge.whereabouts import Whereabouts
from codegen.result import Report
from steps.events import Listener, ignore

REVOKED_AFTER = 1.5
LISTEN_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class Link:
    """What runs of one event loop share on their way to Celery."""

    settings: BridgeSettings
    follower: Follower
    sender: Sender
    attendance: Attendance
    whereabouts: Whereabouts


_links: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[BridgeSettings, Link]] = WeakKeyDictionary()


def link_to(settings: BridgeSettings) -> Link:
    """The running event loop's link for these settings."""
    links = _links.setdefault(asyncio.get_running_loop(), {})
    if settings not in links:
        app, follower = make_app(settings, for_sending=True), Follower(settings)
        sender = Sender(settings, app, follower.backend)
        attendance, whereabouts = Attendance(app, settings), Whereabouts(app, settings)
        links[settings] = Link(settings, follower, sender, attendance, whereabouts)
    return links[settings]


async def run_remotely(
    link: Link, submission: Submission, listener: Listener = ignore, notice: Notice = no_notice
) -> Report:
    """Send the workflow and follow it to its report. A try of it that was sent before is only followed.

    Cancelled, it ends the run and returns what was done until then. Raises EngineUnreachable when nothing
    was run, EngineFailed when the run ended without a report.
    """
    keys = await link.sender.keys(submission)
    async with link.follower.watching(keys, listener, notice) as followed:
        try:
            await _sent(link, submission, keys, notice)
            async with alongside(_kept_going(link, followed, submission)):
                report = await _awaited(link, followed, submission.queue(link.settings), notice)
        except asyncio.CancelledError:
            _uncancel()
            report = await _ended(link, followed, submission)
        except EngineFailed as error:
            if isinstance(error, WorkerLost):
                await counted(link.follower.backend, Tally("lost", submission.queue(link.settings)).add)
            with suppress(*AWAY):  # given up here, no broker's late copy of the message may start it again
                await cancel(link.follower.backend, keys, link.settings.ttl)
            await _seen_to_end(link, keys)
            raise
        await _seen_to_end(link, keys)
        return report


async def ended_remotely(
    link: Link, submission: Submission, listener: Listener = ignore, notice: Notice = no_notice
) -> Report:
    """End a run that was sent before, perhaps by a process that died, and return what was done until then."""
    keys = await link.sender.keys(submission)
    async with link.follower.watching(keys, listener, notice) as followed:
        report = await _ended(link, followed, submission)
        await _seen_to_end(link, keys)
        return report


async def _sent(link: Link, submission: Submission, keys: Keys, notice: Notice) -> None:
    queue = submission.queue(link.settings)
    if await link.sender.send(submission, keys):
        notice(f"Submitted to queue {queue!r} as {keys.task_id}", INFO)
        return
    notice(f"Submitted before, as {keys.task_id}: followed from here", INFO)
    if submission.again_from is not None:
        text = f"It had not ended, and goes on: nothing is done again from {submission.again_from!r} on"
        notice(text, WARNING)


async def _awaited(link: Link, followed: Followed, queue: str, notice: Notice) -> Report:
    async with (
        alongside(link.whereabouts.watch(followed, queue, notice)),
        alongside(link.attendance.see_begun(followed, queue, notice)) as attendance,
    ):
        either: list[asyncio.Future[Any]] = [attendance, followed.report]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if attendance.done() and (error := attendance.exception()):
            await _withdrawn(link, followed, error)
        return await followed.ended()


async def _seen_to_end(link: Link, keys: Keys) -> None:
    with suppress(EngineUnreachable):  # then the same end is seen once more before there is another try
        await link.sender.seen_to_end(keys)


async def _withdrawn(link: Link, followed: Followed, error: BaseException) -> None:
    """Take the run back and raise why, unless a worker has begun it meanwhile."""
    try:
        withdrawn = await withdraw(link.follower.backend, followed.keys, link.settings.ttl)
    except AWAY as away:
        raise EngineFailed(f"{error} Its message could not be taken back and may still run: {away}") from away
    if withdrawn:
        raise error


async def _ended(link: Link, followed: Followed, submission: Submission) -> Report:
    """Cancel the run and wait for what it reports of itself."""
    seconds = link.settings.cancel_timeout
    try:
        begun = await cancel(link.follower.backend, followed.keys, link.settings.ttl)
    except AWAY as error:
        raise EngineFailed(f"The run could not be cancelled, and goes on: {error}") from error
    if not begun:
        return never_started(submission.document)
    try:
        async with asyncio.timeout(seconds), alongside(_heard(link, followed.keys)) as heard:
            await asyncio.wait([heard, followed.report], return_when=asyncio.FIRST_COMPLETED)
    except TimeoutError:
        raise EngineFailed(
            f"The worker was told to cancel the run and has not answered within {seconds:g} s. "
            "It may still be running: look at the worker's log."
        ) from None
    async with alongside(_kept_going(link, followed, submission)):
        return await followed.ended()


async def _kept_going(link: Link, followed: Followed, submission: Submission) -> None:
    """Send the message again whenever nobody has it, or runs the run any more.

    A broker keeps the one that the dead worker took: Redis for hours. Should both arrive, one only waits, and
    takes a place of its worker: so no further one is sent before the last one is gone.
    """
    queue, was_sent = submission.queue(link.settings), False
    while True:
        await followed.orphaned.wait()
        try:
            if not was_sent or await link.whereabouts.is_gone(followed.keys.task_id, queue):
                await link.sender.send_again(submission, followed.keys)
                was_sent = True
            followed.orphaned.clear()
        except EngineUnreachable:  # the broker is away, too
            await asyncio.sleep(REVOKED_AFTER)


async def _heard(link: Link, keys: Keys) -> None:
    """Return once the worker has heard; send SIGTERM, too, to one that doesn't see the key.

    Not to one that does: it costs a process of the pool, and nobody takes over the run of a revoked task.
    """
    unheard, revoked = 0.0, False
    while await _word(link, keys) != HEARD:
        if unheard >= REVOKED_AFTER and not revoked:
            revoked = True
            with suppress(EngineUnreachable):
                await link.sender.revoke(keys)
        await asyncio.sleep(LISTEN_EVERY)
        unheard += LISTEN_EVERY


async def _word(link: Link, keys: Keys) -> Any:
    with suppress(*AWAY):
        return await link.follower.backend.ask(lambda redis: redis.get(keys.cancel))
    return None


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
