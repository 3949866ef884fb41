"""The journal of a run on Celery: a stream beside its events, which a worker that takes over reads."""

import json
from collections.abc import Awaitable
from typing import Any

from redis.asyncio import Redis

from celery_bridge.channel import Keys, after
from celery_bridge.clients import AWAY, Backend
from celery_bridge.lease import Lease
from celery_bridge.publisher import PATIENCE, Publisher
from celery_bridge.urls import masked
from steps.entries import Entry, Unreadable
from steps.errors import StepFailed

TAKEN = "not started: another process goes on with the run"
AT_ONCE = 20  # each may have a result of half a MiB

# Ours are the last words on the run, and nobody else has its lease.
_OURS = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if last and tonumber(string.match(last[1], '^%d+')) > tonumber(ARGV[1]) then return 0 end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[2] then return 0 end
return 1
"""


class RunJournal:
    """Where a worker's journal goes: out with the events, in the same order."""

    def __init__(
        self, backend: Backend, keys: Keys, publisher: Publisher, lease: Lease, patience: float = PATIENCE
    ) -> None:
        self._backend = backend
        self._keys = keys
        self._publisher = publisher
        self._lease = lease
        self._patience = patience

    def add(self, entry: Entry) -> None:
        """Put it after those before."""
        self._publisher.note(json.dumps(entry.to_json()))

    async def secure(self, entry: Entry) -> None:
        """Put it after those before, and wait until it is there.

        StepFailed: another process has the run, or the server is away.
        """
        self.add(entry)
        try:
            await self._publisher.sent(self._patience)
            ours = await self._is_ours()
        except AWAY as error:
            raise StepFailed(
                f"not started: its start can't be written down ({masked(str(error))})"
            ) from error
        if not ours:
            raise StepFailed(TAKEN)

    async def held(self) -> None:
        """Return once the lease is surely ours: at once, unless it could not be renewed of late.

        StepFailed: another process has the run, or the server is away.
        """
        if not await self._lease.held(self._patience):
            raise StepFailed(
                TAKEN
                if self._lease.superseded
                else "not started: it can't be seen whether another process goes on with the run, since "
                f"the result backend has been out of reach for {self._patience:.0f} s"
            )

    async def _is_ours(self) -> bool:
        def evaluate(redis: Redis) -> Awaitable[Any]:
            values = (str(self._publisher.epoch), self._lease.token)
            return redis.eval(_OURS, 2, self._keys.journal, self._keys.lease, *values)

        return bool(await self._backend.insist(evaluate))


async def past_entries(backend: Backend, keys: Keys) -> list[Entry]:
    """What earlier lives of the run wrote. Unreadable: something there is none of ours."""
    entries: list[Entry] = []
    first = "-"
    while True:
        page = await _page(backend, keys, first)
        entries += [_entry(fields["entry"]) for _, fields in page if "claim" not in fields]
        if len(page) < AT_ONCE:
            return entries
        first = after(page[-1][0])


async def _page(backend: Backend, keys: Keys, first: str) -> list[Any]:
    def read(redis: Redis) -> Awaitable[Any]:
        return redis.xrange(keys.journal, min=first, count=AT_ONCE)

    return list(await backend.insist(read))


def _entry(text: str) -> Entry:
    try:
        return Entry.from_json(json.loads(text))
    except (ValueError, Unreadable) as error:
        raise Unreadable(f"What the run did before can't be read by this version ({error})") from error
