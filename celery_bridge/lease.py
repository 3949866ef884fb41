"""Who runs a run: one process at a time, even when the broker hands the message out twice.

The broker gives a message to a second worker when the first died, and also when it only lost its
connection for a moment. So a run that began is taken over only after its lease has been missing for a while.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis

from celery_bridge.channel import Keys, is_last
from celery_bridge.clients import AWAY, Backend

LEASE = 10
RENEW_EVERY = 2.5
LOOK_EVERY = 0.5
PATIENCE = 30.0
HEARD = "heard"

Verdict = Literal["run", "over", "cancelled", "withdrawn"]

# Taken when nobody holds it, and the run is new and wanted, or has begun and may be taken over.
_TAKE = """
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
local cancel = redis.call('GET', KEYS[2])
local held = redis.call('EXISTS', KEYS[1])
local taken = 0
if held == 0 and ((not last and not cancel) or (last and ARGV[3] == '1')) then
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
    taken = 1
end
local now = redis.call('TIME')
return {taken, held, cancel or '', last or {}, now[1] * 1000 + math.floor(now[2] / 1000)}
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the wish to run. `epoch` begins the ids of the entries to be written.

    `taken_over`: it had begun. `to_end`: it was cancelled after that, and is only to be brought to its end.
    """

    verdict: Verdict
    epoch: int
    taken_over: bool = False
    to_end: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    taken: bool
    held: bool
    cancel: str
    over: bool
    began: bool
    epoch: int


class Lease:
    """The right to run a run, kept by renewing it. `superseded`: another process has it now."""

    def __init__(self, backend: Backend, keys: Keys, token: str) -> None:
        self._backend = backend
        self._keys = keys
        self.token = token
        self._renewed = time.monotonic()
        self.superseded = False

    async def take(self) -> Taken:
        """Wait until the run is ours, or over, or not wanted any more."""
        missing_since: float | None = None
        while True:
            free_for = time.monotonic() - missing_since if missing_since is not None else 0.0
            look = await self._try(take_over=free_for >= LEASE)
            if verdict := _verdict(look):
                return Taken(verdict, look.epoch, taken_over=look.began, to_end=bool(look.cancel))
            if look.held:
                missing_since = None
            elif missing_since is None:
                missing_since = time.monotonic()
            await asyncio.sleep(LOOK_EVERY)

    async def keep(self, end: Callable[[], object]) -> None:
        """Renew it until cancelled. Calls `end` once the run is to end: it was cancelled, or is another's."""
        asked = False
        while not self.superseded:
            try:
                wanted = await self._look_after()
            except AWAY:
                wanted = True
            if not (wanted or asked):
                asked = True
                end()
                await self._say_heard()
            await asyncio.sleep(LOOK_EVERY)

    async def _say_heard(self) -> None:
        """So that nobody need send a signal, too, which would keep the run from being taken over."""
        with suppress(*AWAY):
            await self._backend.ask(lambda redis: redis.set(self._keys.cancel, HEARD, xx=True, keepttl=True))

    async def _look_after(self) -> bool:
        """Renew what is ours; whether the run is wanted to go on."""
        keys = self._keys
        cancel, holder = await self._backend.ask(lambda redis: redis.mget(keys.cancel, keys.lease))
        self.superseded = holder not in (None, self.token)
        if self.superseded:
            return False
        if holder is None or time.monotonic() - self._renewed > RENEW_EVERY:
            await self._backend.ask(
                lambda redis: redis.set(keys.lease, self.token, ex=LEASE, nx=holder is None)
            )
            self._renewed = time.monotonic()
        return not cancel

    async def _try(self, *, take_over: bool) -> _Look:
        """One look, repeated for a while when the server is away."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return _look(await self._evaluate(take_over))
            except AWAY:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(LOOK_EVERY)

    async def _evaluate(self, take_over: bool) -> list[Any]:
        names = (self._keys.lease, self._keys.cancel, self._keys.events)
        values = (self.token, str(LEASE), str(int(take_over)))

        def evaluate(redis: Redis) -> Awaitable[Any]:
            return redis.eval(_TAKE, len(names), *names, *values)

        return list(await self._backend.ask(evaluate))


def _look(reply: list[Any]) -> _Look:
    taken, held, cancel, last, now = reply
    entry_id, fields = last or ("0-0", [])
    pairs = dict(zip(fields[::2], fields[1::2], strict=True))
    epoch = max(now, int(entry_id.split("-")[0]) + 1)
    return _Look(bool(taken), bool(held), cancel, is_last(pairs), bool(last), epoch)


def _verdict(look: _Look) -> Verdict | None:
    if look.over:
        return "over"
    if look.taken:
        return "run"
    if look.cancel and not (look.held or look.began):
        return "withdrawn" if look.cancel == "withdrawn" else "cancelled"
    return None
