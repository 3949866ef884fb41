"""Follows runs as they happen: any number of them over two connections, with no polling in the usual case.

A wake-up is published with every addition to a stream. Where one gets lost, because the connection broke or
the server restarted, a sweep over the streams finds what it announced.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio.client import Pipeline

from celery_bridge.channel import Keys
from celery_bridge.clients import AWAY
from celery_bridge.followed import Followed, Notice, no_notice
from celery_bridge.joint import JointBackend
from celery_bridge.lookout import Lookout
from celery_bridge.settings import BridgeSettings
from codegen.result import Report
from steps.events import Listener, ignore

NAME = "opsconductor-follower"
AT_ONCE = 200
LONGEST_PAUSE = 2.0


class Follower(Lookout):
    """Follows the runs of one event loop. Nothing is open while nothing is followed."""

    def __init__(self, settings: BridgeSettings) -> None:
        url = settings.result_backend
        super().__init__(JointBackend(url, NAME), url, NAME)
        self._settings = settings
        self._by_channel: dict[str, list[Followed]] = {}
        self._runs: set[Followed] = set()
        self._woken: set[Followed] = set()
        self._sweep_at = 0.0

    async def follow(self, keys: Keys, listener: Listener = ignore, notice: Notice = no_notice) -> Report:
        """Tell the run's events as they come; returns its report, or raises EngineFailed."""
        async with self.watching(keys, listener, notice) as followed:
            return await followed.ended()

    @asynccontextmanager
    async def watching(
        self, keys: Keys, listener: Listener = ignore, notice: Notice = no_notice
    ) -> AsyncIterator[Followed]:
        """Follow a run while the block runs."""
        followed = Followed(keys, listener, notice, self._settings.lost_after)
        await self._add(followed)
        try:
            yield followed
        finally:
            await self._remove(followed)

    async def _add(self, followed: Followed) -> None:
        self._runs.add(followed)
        for channel in _channels(followed):
            self._by_channel.setdefault(channel, []).append(followed)
        self._sweep_at = 0.0
        self._something.set()
        self._begin()
        await self._wakeups.want(*_channels(followed))

    async def _remove(self, followed: Followed) -> None:
        self._runs.discard(followed)
        self._woken.discard(followed)
        followed.report.cancel()
        self._something.set()
        for channel in _channels(followed):
            self._by_channel[channel].remove(followed)
            if not self._by_channel[channel]:
                del self._by_channel[channel]
        await self._wakeups.drop(*(one for one in _channels(followed) if one not in self._by_channel))

    def _hear(self, channel: str, data: str | None) -> None:
        for followed in self._by_channel.get(channel, ()):
            if data and channel == followed.keys.celery:
                followed.hear(data, _now())
                self._sweep_at = min(self._sweep_at, followed.sweep_at)
            else:
                self._woken.add(followed)
            self._something.set()

    @property
    def _is_needed(self) -> bool:
        return bool(self._runs)

    def _pause(self) -> float:
        return max(0.0, self._sweep_at - _now())

    def _give_up(self, error: Exception) -> None:
        for followed in self._runs:
            followed.end(error)

    async def _look(self) -> None:
        now = _now()
        sweeps = now >= self._sweep_at
        due = [run for run in self._runs if run.sweep_at <= now] if sweeps else []
        woken, self._woken = self._woken.difference(due), set()
        try:
            for some in _by(AT_ONCE, list(woken)):
                await self._read(some)
            for some in _by(AT_ONCE, due):
                await self._sweep(some)
        except AWAY:
            for followed in self._runs:
                followed.out_of_reach(now)
            await asyncio.sleep(0.2)
        if sweeps or not self._sweep_at:
            self._sweep_at = min((run.sweep_at for run in self._runs), default=0.0)

    async def _read(self, some: Sequence[Followed]) -> None:
        def ask(pipeline: Pipeline) -> None:
            for followed in some:
                pipeline.xrange(followed.keys.events, min=followed.next_id, count=AT_ONCE)

        for followed, entries in zip(some, await self._answers(ask), strict=True):
            self._give(followed, entries)

    async def _sweep(self, some: Sequence[Followed]) -> None:
        def ask(pipeline: Pipeline) -> None:
            for followed in some:
                pipeline.xrange(followed.keys.events, min=followed.next_id, count=AT_ONCE)
                pipeline.exists(followed.keys.lease)
                pipeline.get(followed.keys.celery)

        replies = await self._answers(ask)
        for place, followed in enumerate(some):
            entries, leased, celery = replies[3 * place : 3 * place + 3]
            self._give(followed, entries)
            if celery:
                followed.hear(celery, _now())
            followed.judge(leased=bool(leased), now=_now())
            followed.swept(found=bool(entries), now=_now())

    async def _answers(self, questions: Callable[[Pipeline], None]) -> list[Any]:
        answers = await self.backend.ask_all(questions)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _give(self, followed: Followed, entries: list[Any]) -> None:
        followed.take(entries)
        if len(entries) == AT_ONCE:
            self._woken.add(followed)
            self._something.set()


def _channels(followed: Followed) -> tuple[str, str]:
    return followed.keys.channel, followed.keys.celery


def _by(size: int, runs: Sequence[Followed]) -> Iterable[Sequence[Followed]]:
    return (runs[start : start + size] for start in range(0, len(runs), size))


def _now() -> float:
    return asyncio.get_running_loop().time()
