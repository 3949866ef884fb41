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
from redis.asyncio.client import Pipeline

from celery_bridge.channel import Keys
from celery_bridge.clients import AWAY, Backend
from celery_bridge.counts import KEY as COUNTS
from celery_bridge.counts import Tally

LEASE = 10
RENEW_EVERY = 2.5
LOOK_EVERY = 0.5
HEARD = "heard"
# Less than the half hour after which a RabbitMQ hands out again what is not acknowledged. Else the copies of
# a long run would come to fill all places of the workers, one every half hour.
LEAVE_AFTER = 20 * 60

Verdict = Literal["run", "over", "cancelled", "withdrawn", "held"]

# Taken when nobody holds it, and the run is new and wanted, or has begun and may be taken over. From then on
# both streams take nothing more of a process that had it before. Whoever asks again, because the answer got
# lost, gets the same one. A try that was seen to end, as one that was given up, is over for good: the journal
# is by then that of the next.
_TAKE = """
local function last(stream) return redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1] end
local function moment(entry) return entry and tonumber(string.match(entry[1], '^%d+')) or 0 end
local said = last(KEYS[3])
local latest = math.max(moment(said), moment(last(KEYS[4])))
local ended = tonumber(redis.call('GET', KEYS[6]) or '0') >= tonumber(ARGV[7])
local over = said and (ended or said[2][1] == 'report' or said[2][1] == 'refusal')
local cancel = redis.call('GET', KEYS[2])
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
    return {1, 1, cancel or '', 0, redis.call('XLEN', KEYS[3]) > 1 and 1 or 0, latest}
end
local now = redis.call('TIME')
local epoch = math.max(now[1] * 1000 + math.floor(now[2] / 1000), latest + 1)
local taken = not holder and not over and ((not said and not cancel) or (said and ARGV[3] == '1'))
if taken then
    if not said then redis.call('HINCRBY', KEYS[5], ARGV[6], 1) end
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
    local id = string.format('%.0f-0', epoch)
    redis.call('XADD', KEYS[3], id, 'claim', ARGV[4])
    redis.call('XADD', KEYS[4], id, 'claim', ARGV[4])
    redis.call('EXPIRE', KEYS[3], ARGV[5])
    redis.call('EXPIRE', KEYS[4], ARGV[5])
end
return {taken and 1 or 0, holder and 1 or 0, cancel or '', over and 1 or 0, said and 1 or 0, epoch}
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
    """The right to run a run, kept by renewing it. `superseded`: another process has it now.

    All that is kept of the run lives on with it, `ttl` seconds longer.
    """

    def __init__(self, backend: Backend, keys: Keys, token: str, ttl: int) -> None:
        self._backend = backend
        self._keys = keys
        self.token = token
        self._ttl = ttl
        self._renewed = time.monotonic()
        self.superseded = False

    async def take(self, worker: str, queue: str = "") -> Taken:
        """Wait until the run is ours, and the worker's name said, or it is over, or not wanted any more.

        Or until it has long been another's: `held`. Should that one die, who sent the run sends it again.
        A new one is counted as received from the queue. Who follows it hears of it by the publisher.
        """
        missing_since: float | None = None
        came = time.monotonic()
        while True:
            free_for = time.monotonic() - missing_since if missing_since is not None else 0.0
            asked = time.monotonic()
            look = await self._look(worker, queue, take_over=free_for >= LEASE)
            if verdict := _verdict(look):
                self._renewed = asked
                return Taken(verdict, look.epoch, taken_over=look.began, to_end=bool(look.cancel))
            if look.held:
                if asked - came > LEAVE_AFTER:
                    return Taken("held", look.epoch)
                missing_since = None
            elif missing_since is None:
                missing_since = time.monotonic()
            await asyncio.sleep(LOOK_EVERY)

    async def held(self, patience: float) -> bool:
        """Wait until it is surely ours, if it isn't by what is known here.

        False: another process has it, or that can't be found out, and it was not renewed for `patience`.
        """
        while not self.superseded:
            age = time.monotonic() - self._renewed
            if age < LEASE:
                return True
            if age > patience:
                return False
            await asyncio.sleep(LOOK_EVERY)
        return False

    async def keep(self, end: Callable[[], object]) -> None:
        """Renew it until cancelled. Calls `end` when the run is to end: it was cancelled, or is another's."""
        asked = False
        while not self.superseded:
            await asyncio.sleep(LOOK_EVERY)
            try:
                wanted = await self._look_after()
            except AWAY:
                wanted = True
            if self.superseded:
                end()
            elif not (wanted or asked):
                asked = True
                end()
                await self._say_heard()

    async def _say_heard(self) -> None:
        """So that nobody need send a signal, too, which would keep the run from being taken over."""
        with suppress(*AWAY):
            await self._backend.ask(lambda redis: redis.set(self._keys.cancel, HEARD, xx=True, keepttl=True))

    async def _look_after(self) -> bool:
        """Renew what is ours; whether the run is wanted to go on."""
        keys, asked = self._keys, time.monotonic()
        cancel, holder = await self._backend.ask(lambda redis: redis.mget(keys.cancel, keys.lease))
        self.superseded = holder not in (None, self.token)
        if self.superseded:
            return False
        if holder is None or asked - self._renewed > RENEW_EVERY:
            renewed, *_ = await self._backend.ask_all(lambda pipeline: self._renew(pipeline, free=not holder))
            if renewed and not isinstance(renewed, Exception):
                self._renewed = asked
        return not cancel

    def _renew(self, pipeline: Pipeline, *, free: bool) -> None:
        keys = self._keys
        if free:
            pipeline.set(keys.lease, self.token, ex=LEASE, nx=True)
        else:  # a server without memory refuses to set what is there, but not this
            pipeline.expire(keys.lease, LEASE)
        for key in (keys.events, keys.journal, keys.sent, keys.over, keys.cancel):
            pipeline.expire(key, self._ttl)

    async def _look(self, worker: str, queue: str, *, take_over: bool) -> _Look:
        keys = self._keys
        names = (keys.lease, keys.cancel, keys.events, keys.journal, COUNTS, keys.over)
        received = Tally("received", queue).field
        asked = (self.token, LEASE, int(take_over), worker, self._ttl, received, keys.attempt)
        values = [str(value) for value in asked]

        def evaluate(redis: Redis) -> Awaitable[Any]:
            return redis.eval(_TAKE, len(names), *names, *values)

        taken, held, cancel, over, began, epoch = await self._backend.insist(evaluate)
        return _Look(bool(taken), bool(held), cancel, bool(over), bool(began), epoch)


def _verdict(look: _Look) -> Verdict | None:
    if look.over:
        return "over"
    if look.taken:
        return "run"
    if look.cancel and not (look.held or look.began):
        return "withdrawn" if look.cancel == "withdrawn" else "cancelled"
    return None
