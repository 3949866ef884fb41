"""A worker that is cut off from Redis for longer than its lease begins nothing more until it knows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from redis import Redis

from celery_bridge import lease
from celery_bridge.channel import Keys
from celery_bridge.clients import Backend
from celery_bridge.hosting import Assignment, Place, Verdict, host
from celery_bridge.lease import Lease
from celery_bridge.publisher import Publisher
from celery_bridge.run_journal import RunJournal
from celery_bridge.settings import BridgeSettings
from celery_bridge.termination import Termination
from steps.errors import StepFailed
from tests.unit.waiting import wait_until


class Cable:
    """The way to a server, which can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._whole = True
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Break all connections; new ones are broken at once."""
        self._whole = False
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._whole = True

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what is said, in both directions, until one side ends."""
        if not self._whole:
            writer.transport.abort()
            return
        others, other = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends |= {writer, other}
        try:
            await asyncio.gather(_passed_on(reader, other), _passed_on(others, writer))
        finally:
            self._ends -= {writer, other}


async def _passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def cable_to(url: str) -> AsyncIterator[tuple[Cable, str]]:
    """A cable to the Redis at an address, and the address of its near end."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    cable = Cable(port)
    async with await asyncio.start_server(cable.connect, "127.0.0.1", 0) as server:
        near = server.sockets[0].getsockname()[1]
        yield cable, url.replace(f":{port}/", f":{near}/")
        cable.cut()


def assignment(folder: Path) -> Assignment:
    """A step that waits for `go`, and one that leaves a `mark`."""
    first = f"touch {folder}/up; until [ -e {folder}/go ]; do sleep 0.02; done; touch {folder}/ended"
    steps = [
        {"id": "a", "type": "command", "command": first},
        {"id": "b", "type": "command", "command": f"touch {folder}/mark"},
    ]
    return Assignment({"name": "hosted", "steps": steps}, {}, [], str(uuid4()))


@asynccontextmanager
async def cut_off(
    redis_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Redis, Keys, Cable, "asyncio.Task[Verdict]"]]:
    """A worker whose first step has ended, and whose lease has expired, because it is cut off."""
    monkeypatch.setattr(lease, "LEASE", 1)
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.2)
    monkeypatch.setattr(lease, "LOOK_EVERY", 0.05)
    assigned = assignment(folder)
    async with cable_to(redis_url) as (cable, url), Backend(url) as backend:
        with Termination() as termination, Redis.from_url(redis_url) as redis:
            place = Place("worker", "queue")
            hosting = host(assigned, BridgeSettings.of(url), backend, place, termination)
            running = asyncio.create_task(hosting)
            await wait_until((folder / "up").exists)
            cable.cut()
            await wait_until(lambda: not redis.exists(assigned.keys.lease))
            (folder / "go").touch()
            await wait_until((folder / "ended").exists)
            yield redis, assigned.keys, cable, running


async def test_no_step_begins_once_another_worker_may_have_the_run(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that may be done twice. It is learned with the connection that another one has it."""
    async with cut_off(redis_url, tmp_path, monkeypatch) as (redis, keys, cable, running):
        redis.set(keys.lease, "another", ex=600)
        cable.mend()
        assert await running == "superseded"
    assert not (tmp_path / "mark").exists()


async def test_steps_go_on_once_the_lease_is_renewed(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has taken the run meanwhile."""
    async with cut_off(redis_url, tmp_path, monkeypatch) as (_, _, cable, running):
        assert not (tmp_path / "mark").exists()
        cable.mend()
        assert await running == "succeeded"
    assert (tmp_path / "mark").exists()


async def test_a_fresh_lease_needs_no_look() -> None:
    """So no step waits for an answer of the server, be it there or not."""
    journal = journal_at("redis://127.0.0.1:1/0")
    await journal.held()


async def test_a_server_that_stays_away_fails_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason; nobody waits for ever."""
    monkeypatch.setattr(lease, "LEASE", 0)
    with pytest.raises(StepFailed, match=r"not started: .* result backend has been out of reach for 0 s"):
        await journal_at("redis://127.0.0.1:1/0", patience=0).held()


def journal_at(url: str, **more: float) -> RunJournal:
    keys, backend = Keys(str(uuid4())), Backend(url)
    publisher = Publisher(backend, keys, 1, 60)
    return RunJournal(backend, keys, publisher, Lease(backend, keys, "mine", 60), **more)
