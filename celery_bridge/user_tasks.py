"""Runs tasks of somebody's Celery app: sends each once, follows it to its end, and revokes it if need be."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from weakref import WeakKeyDictionary

from celery_bridge.attendance import Roll
from celery_bridge.background import alongside
from celery_bridge.clients import AWAY
from celery_bridge.errors import SettingsError
from celery_bridge.settings import BridgeSettings
from celery_bridge.task_broker import DEFAULT_QUEUE, NotSent, TaskBroker
from celery_bridge.task_evidence import RESULTS_KEPT, Evidence
from celery_bridge.task_ledger import TaskLedger
from celery_bridge.task_states import TaskStates, WatchedTask
from celery_bridge.urls import masked
from steps.errors import StepFailed, TaskLost
from steps.shielded import to_its_end
from steps.task_service import Call, Ended, Revoked, Tell

FIRST_LOOK = 3.0
BETWEEN_LOOKS = 15.0

Brokers = Callable[[str | None], Awaitable[BridgeSettings]]
"""The settings for the block of a name, or our own broker."""


class TaskLink:
    """The way to one broker and its result backend."""

    def __init__(self, settings: BridgeSettings) -> None:
        self._settings = settings
        self._broker = TaskBroker(settings)
        self._states = TaskStates(settings.result_backend)
        self._ledger = TaskLedger(self._states.backend)

    async def run(self, call: Call, tell: Tell) -> Ended:
        """Send it unless that was done before, and follow it to its end."""
        try:
            async with self._states.watching(call.id) as watched:
                await self._see_sent(call, watched, tell)
                if call.ignore_result:
                    return Ended("SENT")
                async with alongside(self._told(call, watched, tell)):
                    return await asyncio.shield(watched.end)
        except AWAY as error:
            backend = masked(self._settings.result_backend)
            raise StepFailed(
                f"{call.task}: the result backend {backend} can't be reached ({masked(str(error))})"
            ) from error

    async def revoke(self, call: Call) -> Revoked:
        """Have it dropped where it waits and ended where it runs."""
        try:
            async with self._states.watching(call.id) as watched:
                if not await self._ledger.mark(call.id):
                    return Revoked(f"{call.label} was not sent", confirmed=True)
                await self._ledger.set(call.id, "revoked")
                if watched.end.done():
                    state = watched.end.result().state
                    return Revoked(f"{call.label} had ended by itself: {state}", confirmed=True)
                told = await self._confirmed(call, watched)
                return Revoked(f"{call.label} is revoked: {told.text}", told.confirmed)
        except AWAY as error:
            text = f"{call.label} could not be revoked and may go on: {masked(str(error))}"
            return Revoked(text, confirmed=False)

    def close(self) -> None:
        """Let go of its threads and its app, once its event loop is closed."""
        self._broker.close()

    async def _see_sent(self, call: Call, watched: WatchedTask, tell: Tell) -> None:
        """Cancelled meanwhile, it is known whether it was: Celery's call can't be cut short."""
        sending = asyncio.ensure_future(self._send(call, watched, tell))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            with suppress(StepFailed, *AWAY):
                await to_its_end(sending)
            raise

    async def _send(self, call: Call, watched: WatchedTask, tell: Tell) -> None:
        """Send it, unless it is on its way since an earlier life of the run."""
        mark = await self._ledger.enter(call.id)
        if watched.is_known or mark == "sent":
            tell(f"{call.label} was sent before, and is followed")
            return
        if mark == "revoked":
            raise StepFailed(f"{call.label} was given up and revoked before")
        if mark == "sending" and await self._broker.holder(call) is not None:
            await self._ledger.set(call.id, "sent")
            return
        try:
            await self._broker.send(call)
        except NotSent:
            with suppress(*AWAY):
                await self._ledger.forget(call.id)
            raise
        await self._ledger.set(call.id, "sent")
        tell(f"{call.label} was sent to queue {call.queue or DEFAULT_QUEUE!r}")

    async def _told(self, call: Call, watched: WatchedTask, tell: Tell) -> None:
        """Say where it is, or what may keep it, as far as that is known."""
        said, pause = "", FIRST_LOOK
        while not await _begun(watched, pause):
            roll = await self._broker.roll(call.queue)
            evidence = await self._evidence(call, roll)
            if evidence.is_lost and not watched.is_known:
                watched.give_up(TaskLost(evidence.told(call.label, call.queue or DEFAULT_QUEUE)))
                return
            text = self._absence(call, roll)
            if text != said:
                said = text
                tell(f"{call.task} is submitted, and no worker has said that it began: {text}")
            pause = BETWEEN_LOOKS
        if watched.worker and not watched.end.done():
            tell(f"{call.task} runs on {watched.worker}")

    async def _evidence(self, call: Call, roll: Roll) -> Evidence:
        """Asks no more than it takes: mostly the task was sent a moment ago."""
        age = 0.0
        with suppress(*AWAY):
            age = await self._ledger.age(call.id)
        if age < RESULTS_KEPT:
            return Evidence(age, roll.attending, has_holder=False, waiting=None)
        waiting = await self._broker.waiting(call.queue)  # first: from there a worker may just take it
        holder = await self._broker.holder(call)
        return Evidence(age, roll.attending, holder is not None, waiting)

    async def _confirmed(self, call: Call, watched: WatchedTask) -> Revoked:
        """Revoke it; what the worker that has it says.

        That it is stored as revoked says little: workers that never had it do that.
        """
        has_begun = watched.is_known
        receipt = await self._broker.revoke(call)
        if receipt is None:
            return _doubtful(
                f"the broker {self._broker.name} can't be reached, so no worker was told, and it may go on"
            )
        if receipt.ended_by:
            return Revoked(f"{receipt.ended_by} confirmed it", confirmed=True)
        holder = await self._broker.holder(call)
        worker = holder.worker if holder else watched.worker
        if worker in receipt.unable and (holder is None or holder.state == "active"):
            return _doubtful(f"{worker} has it and can't end it; it may still be running")
        if has_begun:
            return await self._ended_late(watched, worker or "its worker")
        if worker:
            return _doubtful(f"{worker} has it, and has not confirmed; it may still be running")
        absence = self._absence(call, await self._broker.roll(call.queue))
        return _doubtful(f"no worker has received it ({absence})")

    async def _ended_late(self, watched: WatchedTask, worker: str) -> Revoked:
        """Once it has begun, only its own worker stores an end."""
        seconds = self._settings.cancel_timeout
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                ended = await asyncio.shield(watched.end)
                did = "confirmed" if ended.state == "REVOKED" else "had ended"
                return Revoked(f"{worker} {did} it, {ended.state}", confirmed=True)
        return _doubtful(
            f"{worker} has it, and has not confirmed within {seconds:g} s; it may still be running"
        )

    def _absence(self, call: Call, roll: Roll) -> str:
        where = f"queue {call.queue or DEFAULT_QUEUE!r} of {self._broker.name}"
        if not roll.answered:
            return f"no worker answers on {self._broker.name}"
        if not roll.attending:
            return f"of {roll.answered} workers that answer, none takes from {where}"
        return f"{roll.attending} of {roll.answered} workers that answer take from {where}"


def _doubtful(text: str) -> Revoked:
    return Revoked(text, confirmed=False)


async def _begun(watched: WatchedTask, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await watched.begun.wait()
    return watched.is_known


_links: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[BridgeSettings, TaskLink]] = WeakKeyDictionary()


def close_links(loop: asyncio.AbstractEventLoop) -> None:
    """Let go of what the tasks of a closed event loop went by.

    Left alone it would stay for ever: the links know their loop, which is the key that they are kept by.
    """
    for link in _links.pop(loop, {}).values():
        link.close()


class UserTasks:
    """Tasks of any Celery app; `brokers` finds the broker of each."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._found: dict[str | None, BridgeSettings] = {}

    async def run(self, call: Call, tell: Tell) -> Ended:
        """Send a call unless that was done before, and follow it to its end."""
        return await (await self._link(call.broker)).run(call, tell)

    async def revoke(self, call: Call) -> Revoked:
        """Have a call dropped where it waits and ended where it runs."""
        try:
            return await (await self._link(call.broker)).revoke(call)
        except StepFailed as error:
            return _doubtful(f"{call.label} could not be revoked: {error.message}")

    async def _link(self, broker: str | None) -> TaskLink:
        if broker not in self._found:
            try:
                self._found[broker] = await self._brokers(broker)
            except SettingsError as error:
                raise StepFailed(str(error)) from error
        settings = self._found[broker]
        links = _links.setdefault(asyncio.get_running_loop(), {})
        if settings not in links:
            links[settings] = TaskLink(settings)
        return links[settings]
