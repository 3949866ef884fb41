"""Whoever gets the message, one process at a time runs the run."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from celery_bridge import lease
from celery_bridge.app import make_app
from celery_bridge.calling_off import cancel, withdraw
from celery_bridge.channel import Keys
from celery_bridge.clients import Backend
from celery_bridge.deaths import one_death_too_many
from celery_bridge.hosting import Assignment, Place, Verdict, host
from celery_bridge.lease import Lease
from celery_bridge.publisher import Publisher
from celery_bridge.run_journal import RunJournal, past_entries
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Sender
from celery_bridge.termination import Termination
from codegen.errors import DocumentError
from codegen.result import Report
from steps.entries import Entry, Unreadable
from steps.errors import StepFailed
from tests.unit.waiting import wait_until


def assignment(command: str, *more: dict[str, Any], **keys: Any) -> Assignment:
    steps = [{"id": "a", "type": "command", "command": command}, *more]
    document: dict[str, Any] = {"name": "hosted", "steps": steps, **keys}
    return Assignment(document, {}, [], str(uuid4()))


async def hosted(url: str, assigned: Assignment) -> Verdict:
    """What a worker does with a message."""
    with Termination() as termination:
        async with Backend(url) as backend:
            return await host(
                assigned, BridgeSettings.of(url), backend, Place("worker", "queue"), termination
            )


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


async def test_a_late_copy_of_a_try_that_was_given_up_does_nothing(redis_url: str, tmp_path: Path) -> None:
    """Its worker had died, so it has no report; what the journal tells by now is of the next try."""
    assigned = assignment(f"touch {tmp_path / 'mark'}")
    settings, keys = BridgeSettings.of(redis_url), assigned.keys
    async with Backend(redis_url) as backend:
        taken = await Lease(backend, keys, "dead", settings.ttl).take("worker")
        assert taken.verdict == "run"
        await backend.ask(lambda redis: redis.delete(keys.lease))
        await cancel(backend, keys, settings.ttl)
        await Sender(settings, make_app(settings, for_sending=True), backend).seen_to_end(keys)
    assert await hosted(redis_url, assigned) == "over"
    assert not (tmp_path / "mark").exists()


async def test_a_claim_whose_answer_got_lost_is_no_second_one(redis_url: str) -> None:
    """Whoever asks again is told the same: that the run is new, or that it takes over."""
    keys = Keys(str(uuid4()))
    async with Backend(redis_url) as backend:
        for token, taken_over in (("first", False), ("second", True)):
            lease = Lease(backend, keys, token, 60)
            found = [await lease._look("worker", "", take_over=True) for _ in range(2)]
            assert [(look.taken, look.began) for look in found] == [(True, taken_over)] * 2
            assert found[0].epoch == found[1].epoch
            await backend.ask(lambda redis: redis.delete(keys.lease))


async def test_a_death_is_counted_once(redis_url: str) -> None:
    """By who goes on with the run, however often the answer gets lost."""
    keys = Keys(str(uuid4()))
    async with Backend(redis_url) as backend:
        said = [await one_death_too_many(backend, keys, epoch, 60) for epoch in (1, 1, 1, 2, 2, 3)]
    assert said[:5] == [None] * 5
    assert "has died 3 times" in str(said[5])


async def test_a_document_that_nobody_checked_is_refused(redis_url: str, tmp_path: Path) -> None:
    """Anybody may send one; but a run that has begun goes on although it would be refused by now."""
    fails = {"id": "f", "type": "fail", "message": "no", "depends_on": []}
    never = {"id": "n", "type": "stop", "depends_on": ["f"], "join": "any"}
    assigned = assignment(f"touch {tmp_path / 'mark'}", fails, never)
    with pytest.raises(DocumentError, match="can never be met"):
        await hosted(redis_url, assigned)
    assert not (tmp_path / "mark").exists()
    begun = replace(assigned, run_id=str(uuid4()))
    async with Backend(redis_url) as backend:
        taken = await Lease(backend, begun.keys, "dead", 60).take("worker")
        publisher = Publisher(backend, begun.keys, taken.epoch, 60)
        publisher.note(json.dumps(Entry("start").to_json()))
        await publisher.sent()
        await backend.ask(lambda redis: redis.delete(begun.keys.lease))
    assert await hosted(redis_url, begun) == "failed"
    assert (tmp_path / "mark").exists()


async def test_a_copy_does_not_wait_for_ever(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives its place in the worker back; the run goes on where it is."""
    up, go = tmp_path / "up", tmp_path / "go"
    assigned = assignment(f"touch {up}; until [ -e {go} ]; do sleep 0.02; done")
    first = asyncio.create_task(hosted(redis_url, assigned))
    await wait_until(up.exists)
    monkeypatch.setattr(lease, "LEAVE_AFTER", 0)
    assert await hosted(redis_url, assigned) == "held"
    go.touch()
    assert await first == "succeeded"
    assert last_report(redis_url, assigned) is not None


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


async def test_a_run_that_another_process_has_is_left_to_it(redis_url: str, tmp_path: Path) -> None:
    """It goes on there: here nothing is undone, and none of its last steps is run."""
    up, wrong = tmp_path / "up", tmp_path / "wrong"
    undo = {"id": "undo", "type": "command", "command": f"touch {wrong}"}
    waits = {"id": "b", "type": "command", "command": f"touch {up}; sleep 1000"}
    assigned = assignment("true", waits, **{"finally": [undo | {"id": "last"}]})
    assigned.document["steps"][0]["rollback"] = [undo]
    first = asyncio.create_task(hosted(redis_url, assigned))
    await wait_until(up.exists)
    with Redis.from_url(redis_url) as redis:
        redis.set(Keys(assigned.run_id).lease, "another", ex=60)
    assert await first == "superseded"
    assert not wrong.exists()


async def test_who_had_a_run_before_writes_nothing_more_of_it(redis_url: str) -> None:
    """From the moment on at which another try of it is taken: no step begins there that began here."""
    keys = Keys(str(uuid4()))
    async with Backend(redis_url) as backend:
        first = Lease(backend, keys, "first", 60)
        publisher = Publisher(backend, keys, (await first.take("one")).epoch, 60)
        journal = RunJournal(backend, keys, publisher, first)
        await journal.secure(Entry("begun", "run.a"))
        again = replace(keys, attempt=2)
        await Lease(backend, again, "second", 60).take("two")
        with pytest.raises(StepFailed, match="not started: another process goes on with the run"):
            await journal.secure(Entry("begun", "run.b"))
        assert [entry.key for entry in await past_entries(backend, again)] == ["run.a"]


async def test_a_clock_that_is_set_back_costs_nothing(redis_url: str) -> None:
    """What another try does is written down after what the try before did."""
    assigned = replace(assignment("true"), attempt=2)
    keys = assigned.keys
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        redis.xadd(keys.journal, {"claim": "in future"}, id="9999999999999-7")
        assert await hosted(redis_url, assigned) == "succeeded"
        entries: Any = redis.xrange(keys.journal)
    kinds = [json.loads(fields["entry"])["kind"] for _, fields in entries if "entry" in fields]
    assert kinds == ["start", "tried"]


async def test_what_is_kept_of_a_run_outlives_it(redis_url: str, tmp_path: Path) -> None:
    """However long it takes: else its message, delivered once more, would begin it anew."""
    up, go = tmp_path / "up", tmp_path / "go"
    assigned = assignment(f"touch {up}; until [ -e {go} ]; do sleep 0.02; done")
    running = asyncio.create_task(hosted(redis_url, assigned))
    await wait_until(up.exists)
    keys = assigned.keys
    kept = (keys.events, keys.journal, keys.sent, keys.over)
    with Redis.from_url(redis_url) as redis:
        redis.set(keys.sent, "sent")
        redis.set(keys.over, "1")
        for key in kept:
            redis.expire(key, 30)
        await wait_until(lambda: all(int(str(redis.ttl(key))) > 60 for key in kept))
    go.touch()
    assert await running == "succeeded"


async def test_what_was_done_is_known_as_long_as_that_it_was_over(redis_url: str) -> None:
    """Another try must not begin without it."""
    settings = BridgeSettings.of(redis_url)
    keys = Keys(str(uuid4()))
    async with Backend(redis_url) as backend:
        with Redis.from_url(redis_url) as redis:
            redis.xadd(keys.journal, {"claim": "worker"})
            redis.expire(keys.journal, 30)
            await Sender(settings, make_app(settings, for_sending=True), backend).seen_to_end(keys)
            assert 0 < int(str(redis.ttl(keys.over))) <= int(str(redis.ttl(keys.journal)))


async def test_a_beginning_that_can_not_be_written_down_fails_the_step() -> None:
    """It is not started, and the run goes on."""
    keys = Keys(str(uuid4()))
    async with Backend("redis://127.0.0.1:1/0") as backend:
        mine, publisher = Lease(backend, keys, "mine", 60), Publisher(backend, keys, 1, 60)
        with pytest.raises(StepFailed, match="not started: its start can't be written down"):
            await RunJournal(backend, keys, publisher, mine, patience=0).secure(Entry("begun", "run.a"))


async def test_a_journal_that_can_not_be_read_is_said(redis_url: str) -> None:
    """By name, and nothing is begun."""
    assigned = replace(assignment("true"), attempt=2)
    with Redis.from_url(redis_url) as redis:
        redis.xadd(assigned.keys.journal, {"entry": '{"kind": "tried", "later": 1}'}, id="1-1")
    with pytest.raises(Unreadable, match="What the run did before can't be read by this version"):
        await hosted(redis_url, assigned)


async def test_no_secret_is_kept(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in what is told of a run nor in what it did."""
    monkeypatch.setenv("OPSCONDUCTOR_SECRET_TOKEN", "sesame-4711")
    says = {"id": "b", "type": "command", "command": "echo {{ steps.a.result.stdout }}; printenv T >&2"}
    assigned = assignment("echo $T; exit 0", says | {"env": {"T": "{{ secrets.token }}"}})
    assigned.document["steps"][0] |= {
        "env": {"T": "{{ secrets.token }}"},
        "idempotent": False,
        "outputs": {"said": "{{ result.stdout }}"},
    }
    assert await hosted(redis_url, assigned) == "succeeded"
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        kept = str([redis.xrange(key) for key in (assigned.keys.events, assigned.keys.journal)])
    assert "***" in kept
    assert "sesame" not in kept
