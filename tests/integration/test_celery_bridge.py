"""Workflows on Celery: real brokers, real workers, real processes."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from logging import WARNING
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from celery_bridge.channel import Keys
from celery_bridge.counts import KEY, tallies
from celery_bridge.errors import EngineFailed, EngineUnreachable
from celery_bridge.followed import Notice, no_notice
from celery_bridge.follower import NAME
from celery_bridge.priorities import redis_lists
from celery_bridge.remote import link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from codegen.document import parse
from codegen.result import Report
from steps.events import Event
from steps.interpreter import interpret
from tests.integration.brokers import RedisServer, Worker, worker
from tests.unit.waiting import wait_until

# A run is taken over only after its lease has been missing for a while: several such tests on a busy machine.
pytestmark = pytest.mark.timeout(900)

Document = dict[str, Any]


class Notices(list[str]):
    """The warnings among what is told of a run."""

    def hear(self, text: str, level: int) -> None:
        if level >= WARNING:
            self.append(text)


def command(id: str, text: str, **keys: Any) -> Document:
    return {"id": id, "type": "command", "command": text, **keys}


def document(*steps: Document, **keys: Any) -> Document:
    return {"name": "tested", "steps": list(steps), **keys}


def submission(workflow: Document, run_id: str = "", **parameters: Any) -> Submission:
    return Submission(workflow, parameters, [], run_id or str(uuid4()))


async def run(
    settings: BridgeSettings,
    sent: Submission,
    listener: Callable[[Event], None] = lambda event: None,
    notice: Notice = no_notice,
) -> Report:
    return await run_remotely(link_to(settings), sent, listener, notice)


def waiting(redis: Redis, queue: str) -> int:
    """How many messages wait in a queue."""
    return sum(int(redis.llen(one)) for one in redis_lists(queue))


def ends(redis_url: str, queue: str) -> dict[str, int]:
    """How many runs of a queue are counted as having ended how."""
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        found = tallies(redis.hgetall(KEY))
    return {one.label: count for one, count in found.items() if (one.count, one.queue) == ("ended", queue)}


def waits(redis: Redis, queue: str, number: int) -> bool:
    """Whether so many messages wait in a queue."""
    return waiting(redis, queue) == number


@pytest.fixture
def settings(redis_url: str, celery_worker: Worker) -> BridgeSettings:
    """Where a worker attends."""
    return BridgeSettings.of(redis_url)


@pytest.fixture
def unattended(redis_url: str) -> BridgeSettings:
    """A queue of its own, which no worker takes from."""
    return BridgeSettings.of(redis_url, queue=f"queue-{uuid4()}", worker_timeout=60)


@pytest.fixture(params=["redis", "rabbitmq"])
def everywhere(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[BridgeSettings]:
    """Every kind of broker, with a worker."""
    if request.param == "redis":
        request.getfixturevalue("celery_worker")
        yield BridgeSettings.of(redis_url)
        return
    broker_url: str = request.getfixturevalue("rabbitmq_url")
    with worker(tmp_path, broker_url, redis_url):
        yield BridgeSettings.of(broker_url, redis_url)


def timeless(data: Any) -> Any:
    """A report as data, without times."""
    if isinstance(data, dict):
        return {key: timeless(value) for key, value in data.items() if key not in TIMES}
    return [timeless(value) for value in data] if isinstance(data, list) else data


TIMES = {"time", "start_time", "end_time", "started_at", "ended_at", "duration_seconds", "duration"}


async def test_the_report_is_the_interpreters(everywhere: BridgeSettings) -> None:
    """A run on Celery leaves the same report as the interpreter in this process, but for times."""
    workflow = document(
        {
            "id": "words",
            "type": "set",
            "values": {"greeting": "{{ params.greeting }}", "odd": "日本\n'\"{{ 1 }}"},
        },
        command("say", "echo {{ steps.words.outputs.greeting }}", outputs={"n": "{{ 1 + 1 }}"}),
        command("each", "echo {{ item }}", for_each=["a", "b"], max_parallel=1),
        command("never", "echo no", when="false"),
        command("bad", "exit 3", continue_on_error=True),
        parameters={"greeting": {"default": "hi"}},
        outputs={"said": "{{ steps.say.outputs.n }}"},
        **{"finally": [command("last", "echo done")]},
    )
    sent = submission(workflow, greeting="good day")
    here = await interpret(parse(workflow), run_id=sent.run_id, parameters=sent.parameters, targets=[]).run()
    there = await run(everywhere, sent)
    assert there.success
    assert timeless(there.model_dump(mode="json")) == timeless(here.model_dump(mode="json"))


async def test_events_arrive_while_it_runs(settings: BridgeSettings, tmp_path: Path) -> None:
    """What a step writes is heard while the step still runs, and everything in order."""
    go = tmp_path / "go"
    heard: list[tuple[str, str, str]] = []

    def listen(event: Event) -> None:
        heard.append((event.kind, event.step, event.text or event.status))
        if event.text == "waiting":
            go.touch()  # the step waits for it: heard too late, it would never end

    waits = f"echo waiting; until [ -e {go} ]; do sleep 0.02; done; echo went on"
    report = await run(settings, submission(document(command("a", waits), command("b", "echo b"))), listen)
    assert report.success
    assert heard == [
        ("started", "a", ""),
        ("line", "a", "waiting"),
        ("line", "a", "went on"),
        ("ended", "a", "succeeded"),
        ("started", "b", ""),
        ("line", "b", "b"),
        ("ended", "b", "succeeded"),
    ]


async def test_a_failing_workflow_is_a_report(settings: BridgeSettings, tmp_path: Path) -> None:
    """The report names the step that failed; the handlers ran; a failed step was tried as often as asked."""
    tries, page = tmp_path / "tries", tmp_path / "page"
    workflow = document(
        command("a", f"echo x >> {tries}; exit 4", retry={"attempts": 3, "delay": 0}),
        on_failure=[command("page", f"echo {{{{ error.step }}}} > {page}")],
    )
    events: list[Event] = []
    report = await run(settings, submission(workflow), events.append)
    assert not report.success
    assert report.error is not None
    assert report.error.step == "a"
    assert report.steps["a"].attempts == 3
    assert tries.read_text() == "x\n" * 3
    assert page.read_text() == "a\n"
    assert [event.kind for event in events].count("retrying") == 2


@pytest.fixture(params=["prefork", "threads", "solo"])
def any_pool(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[BridgeSettings]:
    """A worker of each kind of pool, on a queue of its own."""
    settings = BridgeSettings.of(redis_url, queue=f"queue-{request.param}")
    options = ("-Q", settings.queue, f"--pool={request.param}", "--concurrency=1")
    with worker(tmp_path, redis_url, redis_url, *options):
        yield settings


def gone(pid: int) -> bool:
    """Whether no such process runs; one that nobody has waited for yet runs no more."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True


async def test_cancelling_ends_what_runs(any_pool: BridgeSettings, tmp_path: Path) -> None:
    """A cancelled run's processes end, their children too; always-steps run; the report tells."""
    pids, last = tmp_path / "pids", tmp_path / "last"
    workflow = document(
        command("a", f"sleep 1000 & echo $! >> {pids}; echo $$ >> {pids}; echo up; wait"),
        command("b", "echo never"),
        **{"finally": [command("last", f"touch {last}")]},
    )
    up = asyncio.Event()
    running = asyncio.create_task(
        run(any_pool, submission(workflow), lambda event: up.set() if event.text == "up" else None)
    )
    await asyncio.wait_for(up.wait(), 120)
    running.cancel()
    report = await running
    assert report.cancelled
    assert not report.success
    assert {id: record.status for id, record in report.steps.items()} == {
        "a": "cancelled",
        "b": "cancelled",
        "last": "succeeded",
    }
    assert last.exists()
    await wait_until(lambda: all(gone(int(pid)) for pid in pids.read_text().split()))


async def test_celerys_own_revoke_cancels(settings: BridgeSettings, tmp_path: Path) -> None:
    """`revoke(terminate=True)` from elsewhere ends the run in order, and the pool goes on."""
    up, last = asyncio.Event(), tmp_path / "last"
    workflow = document(
        command("a", "echo up; sleep 1000"), **{"finally": [command("last", f"touch {last}")]}
    )
    sent = submission(workflow)
    running = asyncio.create_task(run(settings, sent, lambda event: up.set() if event.text == "up" else None))
    await asyncio.wait_for(up.wait(), 120)
    await link_to(settings).sender.revoke(Keys(sent.run_id))
    report = await running
    assert report.cancelled
    assert last.exists()
    assert (await run(settings, submission(document(command("a", "true"))))).success


async def test_a_stopped_worker_cancels_what_runs(redis_url: str, tmp_path: Path) -> None:
    """SIGQUIT: after its grace the worker ends the run in order, and the report says so."""
    settings = BridgeSettings.of(redis_url, queue="queue-stopped")
    up, last = asyncio.Event(), tmp_path / "last"
    workflow = document(
        command("a", "echo up; sleep 1000"), **{"finally": [command("last", f"touch {last}")]}
    )
    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1") as stopped:
        running = asyncio.create_task(
            run(settings, submission(workflow), lambda event: up.set() if event.text == "up" else None)
        )
        await asyncio.wait_for(up.wait(), 120)
        await asyncio.to_thread(stopped.end)
        report = await running
    assert report.cancelled
    assert last.exists()


async def test_cancelled_while_queued_it_never_starts(
    unattended: BridgeSettings, redis_url: str, tmp_path: Path
) -> None:
    """It is reported as cancelled at once; a worker that finds the message later leaves it alone."""
    mark = tmp_path / "mark"
    running = asyncio.create_task(run(unattended, submission(document(command("a", f"touch {mark}")))))
    with Redis.from_url(redis_url) as redis:
        await wait_until(lambda: waiting(redis, unattended.queue) == 1)
        running.cancel()
        report = await running
        assert report.cancelled
        assert report.steps["a"].status == "cancelled"
        with worker(tmp_path, redis_url, redis_url, "-Q", unattended.queue, "--concurrency=1"):
            assert (await run(unattended, submission(document(command("b", "true"))))).success
            assert waiting(redis, unattended.queue) == 0
            await wait_until(lambda: ends(redis_url, unattended.queue) == {"cancelled": 1, "succeeded": 1})
    assert not mark.exists()


async def test_many_runs_are_cancelled_at_once(redis_url: str, tmp_path: Path) -> None:
    """Each has its receipt: what ran was stopped, what waited in the queue never began, and never will."""
    settings = BridgeSettings.of(redis_url, queue=f"queue-{uuid4()}")
    settings = replace(settings, worker_timeout=300, cancel_timeout=120)
    begun, pids = tmp_path / "begun", tmp_path / "pids"
    work = command("work", f"echo x >> {begun}; setsid sleep 1000 & echo $! >> {pids}; wait")
    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=3"):
        sent = [submission(document(work, command("never", "true"))) for _ in range(25)]
        runs = [asyncio.create_task(run(settings, one)) for one in sent]
        await wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 3)
        with Redis.from_url(redis_url) as redis:
            await wait_until(lambda: waiting(redis, settings.queue) == 22)
        for one in runs:
            one.cancel()
        reports = await asyncio.gather(*runs)
        assert (await run(settings, submission(document(command("after", "true"))))).success
    receipts = [report.receipt for report in reports if report.receipt is not None]
    assert Counter((one.stopped, one.unconfirmed, one.never_began) for one in receipts) == {
        (("work",), (), ("never",)): 3,
        ((), (), ("work", "never")): 22,
    }
    assert begun.read_text() == "x\n" * 3
    assert all(gone(int(pid)) for pid in pids.read_text().split())


async def test_a_document_chooses_its_queue(settings: BridgeSettings, redis_url: str, tmp_path: Path) -> None:
    """It is run by the workers of that queue only; the message says which one nobody takes from."""
    queue = f"linux-{uuid4()}"
    sent = submission(document(command("a", "true"), queue=queue))
    with pytest.raises(EngineUnreachable, match=f"from queue '{queue}'|on queue '{queue}'") as caught:
        await run(replace(settings, worker_timeout=1), sent)
    assert f"OPSCONDUCTOR_QUEUES={queue} opsconductor up" in str(caught.value)
    with worker(tmp_path, redis_url, redis_url, "-Q", queue, "--concurrency=1"):
        assert (await run(settings, submission(document(command("a", "true"), queue=queue)))).success


async def test_urgent_ones_go_first(unattended: BridgeSettings, redis_url: str, tmp_path: Path) -> None:
    """Of the runs that wait in a queue, whatever the order in which they came."""
    log, patient = tmp_path / "log", replace(unattended, worker_timeout=300)
    runs = []
    with Redis.from_url(redis_url) as redis:
        for number, priority in enumerate(("low", "normal", "low", "high", "normal"), start=1):
            one = document(command("a", f"echo {priority} >> {log}"), priority=priority)
            runs.append(asyncio.create_task(run(patient, submission(one))))
            await wait_until(partial(waits, redis, patient.queue, number))
    with worker(tmp_path, redis_url, redis_url, "-Q", patient.queue, "--concurrency=1"):
        reports = await asyncio.gather(*runs)
    assert all(report.success for report in reports)
    assert log.read_text().split() == ["high", "normal", "normal", "low", "low"]


async def test_no_worker_is_said_and_then_an_error(
    unattended: BridgeSettings, redis_url: str, tmp_path: Path
) -> None:
    """Nothing ran; once there is a worker, the same run can be sent again."""
    mark = tmp_path / "mark"
    sent = submission(document(command("a", f"echo x >> {mark}")))
    notices = Notices()
    with pytest.raises(EngineUnreachable, match=f"(?s){unattended.queue}.*within 4 s.*celery -A") as caught:
        await run(replace(unattended, worker_timeout=4), sent, notice=notices.hear)
    assert str(redis_url) in str(caught.value)
    assert len(notices) == 1
    assert "the workflow waits" in notices[0]
    with worker(tmp_path, redis_url, redis_url, "-Q", unattended.queue, "--concurrency=1"):
        assert (await run(unattended, sent)).success
        assert (await run(unattended, submission(document(command("b", "true"))))).success
    assert mark.read_text() == "x\n"


async def test_a_busy_worker_is_waited_for(redis_url: str, tmp_path: Path) -> None:
    """A run behind other work waits longer than for a worker, and says so."""
    settings = BridgeSettings.of(redis_url, queue="queue-busy", worker_timeout=30)
    notices = Notices()
    go = tmp_path / "go"
    waits = "The workflow waits behind other work: all workers are busy"
    blocks = submission(document(command("a", f"until [ -e {go} ]; do sleep 0.02; done")))
    up = asyncio.Event()

    def notice(text: str, level: int) -> None:
        notices.hear(text, level)
        if text == waits:
            go.touch()

    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1"):
        first = asyncio.create_task(run(settings, blocks, lambda event: up.set()))
        await asyncio.wait_for(up.wait(), 120)
        second = asyncio.create_task(run(settings, submission(document(command("b", "true"))), notice=notice))
        reports = await asyncio.gather(first, second)
    assert all(report.success for report in reports)
    assert waits in notices


@pytest.mark.parametrize(
    ("broker", "backend", "named"),
    [
        ("redis://:hush@127.0.0.1:{port}/0", None, r"broker redis://:\*\*\*@127.0.0.1"),
        ("amqp://me:hush@127.0.0.1:{port}//", "{redis}", r"broker amqp://me:\*\*\*@127.0.0.1"),
        ("{redis}", "redis://:hush@127.0.0.1:{port}/0", r"result backend redis://:\*\*\*@127.0.0.1"),
    ],
)
async def test_a_server_that_is_away_is_an_error(
    broker: str, backend: str | None, named: str, redis_url: str, unused_tcp_port: int
) -> None:
    """It names the server, hides the password, and says what to do."""
    fill = {"port": unused_tcp_port, "redis": redis_url}
    settings = BridgeSettings.of(broker.format(**fill), backend.format(**fill) if backend else None)
    with pytest.raises(EngineUnreachable, match=named) as caught:
        await run(settings, submission(document(command("a", "true"))))
    assert "hush" not in str(caught.value)
    assert "opsconductor up" in str(caught.value)


async def test_sent_twice_it_runs_once(settings: BridgeSettings, tmp_path: Path) -> None:
    """At the same time or later, whoever sends the same run again follows the one that is there."""
    mark = tmp_path / "mark"
    sent = submission(document(command("a", f"echo x >> {mark}; sleep 0.3")))
    together = tuple(await asyncio.gather(run(settings, sent), run(settings, sent)))
    later = await run(settings, sent)
    assert together == (later, later)
    assert later.success
    with Redis.from_url(settings.broker_url) as redis:
        await wait_until(lambda: not waiting(redis, settings.queue) and not redis.hlen("unacked"))
    assert mark.read_text() == "x\n"


async def test_of_what_has_been_seen_only_the_end_and_the_journal_are_kept(settings: BridgeSettings) -> None:
    """Thousands of lines would else lie in Redis for a day; who sends the same once more gets the report."""
    sent = submission(document(command("a", "seq 200")))
    lines: list[Event] = []
    report = await run(settings, sent, lines.append)
    assert len(lines) > 200
    keys = Keys(sent.run_id)
    with Redis.from_url(settings.result_backend) as redis:
        ((_, fields),) = redis.xrange(keys.events)
        assert list(fields) == [b"report"]
        assert redis.xlen(keys.journal) > 0
    assert await run(settings, sent) == report


async def test_a_run_that_goes_on_is_not_begun_from_a_step(settings: BridgeSettings, tmp_path: Path) -> None:
    """That is said; it is for another try of a run that has ended."""
    up, go, notices = tmp_path / "up", tmp_path / "go", Notices()
    sent = submission(document(command("a", f"touch {up}; until [ -e {go} ]; do sleep 0.02; done")))
    first = asyncio.create_task(run(settings, sent))
    await wait_until(up.exists)
    again = replace(sent, again=True, again_from="a")
    second = asyncio.create_task(run(settings, again, notice=notices.hear))
    await wait_until(lambda: bool(notices))
    go.touch()
    assert (await first).success
    assert (await second).success
    assert notices == ["It had not ended, and goes on: nothing is done again from 'a' on"]


async def test_a_flood_of_output_stays_bounded(settings: BridgeSettings) -> None:
    """200,000 lines: the stream keeps some thousands, the run goes on, and the gap is told in its place."""
    sent = submission(document(command("flood", "seq 1 200000"), command("after", "echo here")))
    lines: list[str] = []
    report = await run(settings, sent, lambda event: lines.append(event.text))
    assert report.success
    assert "200000" in report.steps["flood"].result["stdout"]
    gap = next(place for place, line in enumerate(lines) if "lines left out" in line)
    assert gap < lines.index("here")
    with Redis.from_url(settings.result_backend) as redis:
        assert redis.xlen(f"opsconductor:run:{sent.run_id}:events") <= 10_200


async def test_many_runs_need_few_connections_and_threads(settings: BridgeSettings, tmp_path: Path) -> None:
    """200 runs in flight are followed over two connections."""
    go = tmp_path / "go"
    waits = document(command("a", f"until [ -e {go} ]; do sleep 0.05; done"))
    quick = document({"id": "a", "type": "set", "values": {"x": 1}})
    up: list[Event] = []
    with Redis.from_url(settings.broker_url) as redis:
        before = len(redis.client_list())
        runs = [asyncio.create_task(run(settings, submission(waits), up.append)) for _ in range(4)]
        await wait_until(lambda: len(up) == 4)
        runs += [asyncio.create_task(run(settings, submission(quick))) for _ in range(196)]
        # The worker has fetched some ahead of time.
        await wait_until(lambda: waiting(redis, settings.queue) + redis.hlen("unacked") == 200)
        clients = redis.client_list()
        go.touch()
        reports = await asyncio.gather(*runs)
    assert all(report.success for report in reports)
    assert sum(client["name"] == NAME for client in clients) == 2
    assert len(clients) - before < 30


async def test_lost_wake_ups_are_made_up_for(settings: BridgeSettings, tmp_path: Path) -> None:
    """Whatever happens to the follower's connections, the report arrives."""
    go = tmp_path / "go"
    heard: list[str] = []
    waits = document(command("a", f"echo up; until [ -e {go} ]; do sleep 0.02; done; echo went on"))
    running = asyncio.create_task(run(settings, submission(waits), lambda event: heard.append(event.text)))
    await wait_until(lambda: "up" in heard)
    with Redis.from_url(settings.result_backend) as redis:
        for client in redis.client_list():
            if client["name"] == NAME:
                redis.client_kill_filter(_id=client["id"])
    go.touch()
    assert (await running).success
    assert "went on" in heard


async def test_a_restart_of_redis_during_a_run(own_redis: RedisServer, tmp_path: Path) -> None:
    """Redis is killed and comes back while a step runs: the step goes on, and the run ends as it would."""
    mark, go = tmp_path / "mark", tmp_path / "go"
    settings = BridgeSettings.of(own_redis.url)
    up = asyncio.Event()
    waits = f"echo x >> {mark}; echo up; until [ -e {go} ]; do sleep 0.02; done; echo went on"
    sent = submission(document(command("a", waits), command("b", "echo b")))
    with worker(tmp_path, own_redis.url, own_redis.url, "--concurrency=1"):
        running = asyncio.create_task(
            run(settings, sent, lambda event: up.set() if event.text == "up" else None)
        )
        await asyncio.wait_for(up.wait(), 120)
        own_redis.kill()
        await asyncio.to_thread(own_redis.start)
        go.touch()
        report = await running
    assert report.success
    assert {id: record.status for id, record in report.steps.items()} == {"a": "succeeded", "b": "succeeded"}
    assert mark.read_text() == "x\n"


async def test_what_nobody_knows_any_more_is_not_begun_twice(settings: BridgeSettings) -> None:
    """A run of which all expired: its steps are run again, and those that are not idempotent are refused."""
    long_ago = datetime.now(UTC) - timedelta(seconds=settings.ttl + 60)
    sent = submission(document(command("a", "true"), command("charge", "true", idempotent=False)))
    report = await run(settings, replace(sent, again=True, began=long_ago))
    assert [record.status for record in report.steps.values()] == ["succeeded", "failed"]
    assert report.error is not None
    assert report.error.message.startswith("not started: the run has begun before")
    report = await run(settings, replace(sent, again=True, began=long_ago))
    assert [record.status for record in report.steps.values()] == ["succeeded", "failed"]
    fresh = await run(settings, replace(sent, run_id=str(uuid4()), again=True, began=datetime.now(UTC)))
    assert fresh.success


def _in_file(file: Path, id: str, then: str = "true", **more: Any) -> dict[str, Any]:
    """A step that leaves a line behind each time it begins."""
    return command(id, f"echo {id} >> {file}; {then}", **more)


async def _killed_on_its_way(
    redis_url: str, folder: Path, sent: Submission, *, queue: str, undoing: Path | None = None
) -> tuple[Report, list[str]]:
    """The run's report and notices, when its process is killed as a step says `up`; or later.

    `undoing`: the run is cancelled then, and its process is killed once that file is there.
    """
    settings = BridgeSettings.of(redis_url, queue=queue)
    notices, up = Notices(), asyncio.Event()

    def listen(event: Event) -> None:
        if event.text == "up":
            up.set()

    with worker(folder, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1") as theirs:
        running = asyncio.create_task(run(settings, sent, listen, notices.hear))
        await asyncio.wait_for(up.wait(), 120)
        killed = theirs.pool()[0]
        if undoing is not None:
            running.cancel()
            await wait_until(undoing.exists)
        os.kill(killed, signal.SIGKILL)
        return await running, notices


async def test_another_process_goes_on_after_a_death(redis_url: str, tmp_path: Path) -> None:
    """What had ended is not done again, what was under way is, and that is said."""
    done, once = tmp_path / "done", tmp_path / "once"
    stuck = f"[ -e {once} ] || {{ touch {once}; echo up; sleep 1000; }}; echo fine"
    sent = submission(
        document(_in_file(done, "a"), _in_file(done, "b", stuck, for_each=[1]), _in_file(done, "c"))
    )
    report, notices = await _killed_on_its_way(redis_url, tmp_path, sent, queue="queue-killed")
    assert report.success
    assert done.read_text().split() == ["a", "b", "b", "c"]
    assert any("goes on with the workflow" in notice for notice in notices)


async def test_a_step_that_is_not_idempotent_is_lost_with_its_process(redis_url: str, tmp_path: Path) -> None:
    """It is not begun again, the run asks; from that step on it can be tried again."""
    done, once = tmp_path / "done", tmp_path / "once"
    stuck = f"[ -e {once} ] || {{ touch {once}; echo up; sleep 1000; }}"
    charge = _in_file(done, "charge", stuck, idempotent=False)
    sent = submission(document(_in_file(done, "a"), charge, _in_file(done, "b")))
    report, _ = await _killed_on_its_way(redis_url, tmp_path, sent, queue="queue-lost-step")
    assert {id: record.status for id, record in report.steps.items()} == {
        "a": "succeeded",
        "charge": "lost",
        "b": "blocked",
    }
    assert report.error is not None
    assert f"opsconductor retry {sent.run_id} --from charge" in report.error.message
    settings = BridgeSettings.of(redis_url, queue="queue-lost-step")
    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1"):
        again = await run(settings, replace(sent, again=True))
        forced = await run(settings, replace(sent, again=True, again_from="charge"))
    assert again.steps["charge"].status == "lost"
    assert forced.success
    assert done.read_text().split() == ["a", "charge", "charge", "b"]


async def test_what_was_done_before_a_death_is_undone_after_it(redis_url: str, tmp_path: Path) -> None:
    """A run that is cancelled, and whose process then dies while it undoes, is undone by another one."""
    done, once = tmp_path / "done", tmp_path / "once"
    wait = f"[ -e {once} ] || {{ touch {once}; trap '' TERM; sleep 1000; }}"
    undo = _in_file(done, "undo", wait)
    sent = submission(document(_in_file(done, "a", rollback=[undo]), command("b", "echo up; sleep 1000")))
    report, _ = await _killed_on_its_way(redis_url, tmp_path, sent, queue="queue-undo", undoing=once)
    assert report.cancelled
    assert report.steps["undo"].status == "succeeded"
    assert report.steps["b"].status == "cancelled"
    assert not report.not_undone


async def test_a_run_is_tried_again(celery_worker: Worker, redis_url: str, tmp_path: Path) -> None:
    """What succeeded is kept with its outputs; asked once more after success, nothing is done."""
    done, mended = tmp_path / "done", tmp_path / "mended"
    settings = BridgeSettings.of(redis_url)
    sent = submission(
        document(
            _in_file(done, "a", "echo 42", outputs={"number": "{{ result.stdout | trim | int }}"}),
            _in_file(done, "b", f"[ -e {mended} ]"),
            _in_file(done, "c", "echo {{ steps.a.outputs.number }}"),
        )
    )
    assert not (await run(settings, sent)).success
    mended.touch()
    again = replace(sent, again=True)
    events: list[Event] = []
    report = await run(settings, again, events.append)
    assert report.success
    assert report.steps["c"].result["stdout"] == "42\n"
    assert [event.step for event in events if event.kind == "started"] == ["b", "c"]
    assert (await run(settings, again)).success
    assert done.read_text().split() == ["a", "b", "b", "c"]


async def test_a_killed_worker_is_not_waited_for_in_silence(redis_url: str, tmp_path: Path) -> None:
    """Worker and pool are killed, and there is no other: the run is given up, and never starts again."""
    settings = BridgeSettings(redis_url, redis_url, queue="queue-lost", lost_after=1)
    up = asyncio.Event()
    sent = submission(document(command("a", "echo up; sleep 1000")))
    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1") as killed:
        running = asyncio.create_task(
            run(settings, sent, lambda event: up.set() if event.text == "up" else None)
        )
        await asyncio.wait_for(up.wait(), 120)
        assert killed.process is not None
        killed.kill_all()
        with pytest.raises(EngineFailed, match="no sign of life"):
            await running
    with Redis.from_url(redis_url) as redis:
        assert redis.get(f"opsconductor:run:{sent.run_id}:cancel") == b"cancelled"


async def test_another_worker_goes_on_after_a_machine_died(redis_url: str, tmp_path: Path) -> None:
    """Worker and pool are killed: the broker keeps its message for hours, so the run is sent again."""
    settings = BridgeSettings.of(redis_url, queue="queue-machine")
    done, up = tmp_path / "done", asyncio.Event()
    stuck = f"[ -e {done}.once ] || {{ touch {done}.once; echo up; exec sleep 1000; }}"
    sent = submission(document(_in_file(done, "a"), _in_file(done, "b", stuck), _in_file(done, "c")))
    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1") as theirs:
        running = asyncio.create_task(
            run(settings, sent, lambda event: up.set() if event.text == "up" else None)
        )
        await asyncio.wait_for(up.wait(), 120)
        theirs.kill_all()
        theirs.start()
        report = await running
    assert report.success
    assert done.read_text().split() == ["a", "b", "b", "c"]


async def test_a_workflow_that_kills_its_workers_is_stopped(redis_url: str, tmp_path: Path) -> None:
    """After the third death it is not started again, and the step that it was at is named."""
    settings = BridgeSettings.of(redis_url, queue="queue-poison")
    done = tmp_path / "done"
    poison = "sleep 1; kill -9 $PPID; sleep 60"  # of the pool
    sent = submission(document(_in_file(done, "a"), _in_file(done, "b", poison)))
    died = "has died 3 times, the last time while it was at b"
    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1"):
        with pytest.raises(EngineFailed, match=died):
            await run(settings, sent)
        await wait_until(lambda: ends(redis_url, settings.queue) == {"given_up": 1})
    assert done.read_text().split() == ["a", "b", "b", "b"]


APP = """
from celery import Celery
app = Celery("theirs", broker={url!r}, backend={backend!r})
app.conf.result_serializer = {results!r}
"""


@pytest.mark.parametrize(("backend", "results"), [("{url}", "pickle"), ("cache+memory://", "json")])
async def test_a_worker_of_an_app_of_yours(
    redis_url: str, backend: str, results: str, tmp_path: Path
) -> None:
    """`-I celery_bridge.tasks` is all that an existing app needs, wherever and however it keeps results."""
    settings = BridgeSettings.of(redis_url, queue=f"queue-{uuid4()}")
    (tmp_path / "theirs.py").write_text(
        APP.format(url=redis_url, backend=backend.format(url=redis_url), results=results)
    )
    theirs = ("-I", "celery_bridge.tasks", "-Q", settings.queue, "--concurrency=1")
    with worker(tmp_path, redis_url, "", *theirs, app="theirs"):
        assert (await run(settings, submission(document(command("a", "true"))))).success


async def test_a_worker_without_the_task(redis_url: str, tmp_path: Path) -> None:
    """The error says what the worker lacks."""
    settings = BridgeSettings.of(redis_url, queue=f"queue-{uuid4()}")
    (tmp_path / "theirs.py").write_text(APP.format(url=redis_url, backend=redis_url, results="json"))
    with (
        worker(tmp_path, redis_url, "", "-Q", settings.queue, "--concurrency=1", app="theirs"),
        pytest.raises(EngineFailed, match=r"-I celery_bridge\.tasks"),
    ):
        await run(settings, submission(document(command("a", "true"))))


async def test_what_a_worker_refuses_is_an_error(settings: BridgeSettings) -> None:
    """A document that this version of the worker can't read ends the run with its words."""
    with pytest.raises(EngineFailed, match="no_such_type"):
        await run(settings, submission(document({"id": "a", "type": "no_such_type"})))
