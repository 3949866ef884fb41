"""Whoever gets the message, one process at a time runs the run."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from celery_bridge.calling_off import cancel, withdraw
from celery_bridge.channel import Keys
from celery_bridge.clients import Backend
from celery_bridge.hosting import Assignment, Verdict, host
from celery_bridge.settings import BridgeSettings
from celery_bridge.termination import Termination
from codegen.result import Report
from tests.unit.waiting import wait_until


def assignment(command: str) -> Assignment:
    document: dict[str, Any] = {
        "name": "hosted",
        "steps": [{"id": "a", "type": "command", "command": command}],
    }
    return Assignment(document, {}, [], str(uuid4()))


async def hosted(url: str, assigned: Assignment) -> Verdict:
    """What a worker does with a message."""
    with Termination() as termination:
        return await host(assigned, BridgeSettings.of(url), "worker", termination)


def last_report(url: str, assigned: Assignment) -> Report | None:
    """The report in the run's stream, if it has one."""
    with Redis.from_url(url, decode_responses=True) as redis:
        entries: Any = redis.xrevrange(Keys(assigned.run_id).events, count=1)
    fields = entries[0][1] if entries else {}
    return Report.model_validate_json(fields["report"]) if "report" in fields else None


async def test_a_message_that_comes_twice_runs_once(redis_url: str, tmp_path: Path) -> None:
    """The copy waits for the run to end, and is then done with; so is one that comes later."""
    mark = tmp_path / "mark"
    assigned = assignment(f"echo x >> {mark}; sleep 0.3")
    verdicts = await asyncio.gather(hosted(redis_url, assigned), hosted(redis_url, assigned))
    assert sorted(verdicts) == ["over", "succeeded"]
    assert await hosted(redis_url, assigned) == "over"
    assert mark.read_text() == "x\n"


async def test_a_run_that_another_process_has_taken_ends(redis_url: str, tmp_path: Path) -> None:
    """After a long outage another process may have begun: the first one ends its own, and reports nothing."""
    up = tmp_path / "up"
    assigned = assignment(f"touch {up}; sleep 1000")
    first = asyncio.create_task(hosted(redis_url, assigned))
    await wait_until(up.exists)
    with Redis.from_url(redis_url) as redis:
        redis.set(Keys(assigned.run_id).lease, "another", ex=60)
    assert await first == "superseded"
    assert last_report(redis_url, assigned) is None


async def test_a_lost_lease_is_taken_up_again(redis_url: str, tmp_path: Path) -> None:
    """A server that forgot it, and nobody else there: the run goes on."""
    up, go = tmp_path / "up", tmp_path / "go"
    assigned = assignment(f"touch {up}; until [ -e {go} ]; do sleep 0.02; done")
    running = asyncio.create_task(hosted(redis_url, assigned))
    await wait_until(up.exists)
    with Redis.from_url(redis_url) as redis:
        redis.delete(Keys(assigned.run_id).lease)
        await wait_until(lambda: bool(redis.exists(Keys(assigned.run_id).lease)))
    go.touch()
    assert await running == "succeeded"


@pytest.mark.parametrize(("call_off", "verdict"), [(cancel, "cancelled"), (withdraw, "withdrawn")])
async def test_what_was_called_off_before_never_begins(
    call_off: Any, verdict: str, redis_url: str, tmp_path: Path
) -> None:
    """A cancelled run is reported as such; of a withdrawn one nothing stays, so that it may come again."""
    mark = tmp_path / "mark"
    assigned = assignment(f"touch {mark}")
    async with Backend(redis_url) as backend:
        await call_off(backend, Keys(assigned.run_id), 60)
    assert await hosted(redis_url, assigned) == verdict
    assert not mark.exists()
    report = last_report(redis_url, assigned)
    if verdict == "cancelled":
        assert report is not None
        assert report.cancelled
        assert report.steps["a"].status == "cancelled"
    else:
        assert report is None


async def test_a_run_that_began_cannot_be_withdrawn(redis_url: str) -> None:
    """Nor one that is over."""
    assigned = assignment("true")
    await hosted(redis_url, assigned)
    async with Backend(redis_url) as backend:
        assert not await withdraw(backend, Keys(assigned.run_id), 60)
    with Redis.from_url(redis_url) as redis:
        assert not redis.exists(Keys(assigned.run_id).cancel)


async def test_everything_kept_of_a_run_expires(redis_url: str) -> None:
    """Nothing stays for ever."""
    assigned = assignment("true")
    await hosted(redis_url, assigned)
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        names: Any = redis.keys(f"opsconductor:run:{assigned.run_id}*")
        assert names
        assert all(redis.ttl(name) > 0 for name in names)
