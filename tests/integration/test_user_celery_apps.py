"""Tasks of a Celery app that knows nothing of us: a real worker of it, and files that its tasks write."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from celery_bridge.app_brokers import tasks_from_worker
from celery_bridge.clients import Backend
from celery_bridge.remote import link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from celery_bridge.task_ledger import TTL, Mark, TaskLedger
from celery_bridge.user_tasks import TaskLink
from codegen.document import parse
from codegen.result import Report
from steps.errors import StepFailed, TaskLost
from steps.events import Event
from steps.interpreter import interpret
from steps.task_service import Call
from steps.workflow_run import WorkflowRun
from tests.integration.brokers import RedisServer, until, worker
from tests.unit.waiting import wait_until

pytestmark = pytest.mark.timeout(400)
PATIENCE = 150.0

APP = """
import datetime
import decimal
import time
from pathlib import Path

from celery import Celery

HERE = Path(__file__).parent
app = Celery("theirs", broker={broker!r}, backend={backend!r})
app.conf.task_track_started = {tracked}
app.conf.task_default_queue = {queue!r}


def note(name):
    with (HERE / "effects").open("a") as file:
        file.write(name + "\\n")


@app.task(name="theirs.add")
def add(*numbers, times=1):
    return sum(numbers) * times


@app.task(name="theirs.total")
def total(numbers):
    return sum(numbers)


@app.task(name="theirs.pay")
def pay(amount):
    note(f"pay {{amount}}")
    if amount < 0:
        raise ValueError(f"{{amount}} is not paid")
    return {{"paid": amount}}


@app.task(name="theirs.flaky")
def flaky():
    note("flaky")
    if (HERE / "effects").read_text().split().count("flaky") < 3:
        raise OSError("busy")
    return "at last"


@app.task(name="theirs.gated")
def gated(name):
    note(f"{{name}}-began")
    while not (HERE / f"{{name}}.open").exists():
        time.sleep(0.05)
    note(f"{{name}}-ended")
    return name


@app.task(name="theirs.quiet", ignore_result=True)
def quiet():
    note("quiet")
    return "still told"


@app.task(name="theirs.odd")
def odd():
    return {{"day": datetime.date(2026, 1, 2), "price": decimal.Decimal("1.10")}}


@app.task(name="theirs.huge")
def huge():
    return "x" * 2_000_000
"""


class Theirs:
    """Somebody's app with a worker, and the way to it."""

    def __init__(self, folder: Path, settings: BridgeSettings, queue: str) -> None:
        self.folder = folder
        self.settings = settings
        self.queue = queue

    def effects(self) -> list[str]:
        """What its tasks did."""
        file = self.folder / "effects"
        return file.read_text().splitlines() if file.exists() else []

    def open(self, name: str) -> None:
        """Let a gated task go on."""
        (self.folder / f"{name}.open").touch()

    def step(self, task: str, *args: Any, id: str = "a", **keys: Any) -> dict[str, Any]:
        """A step that runs one of its tasks."""
        return {"id": id, "type": "celery_task", "queue": self.queue, **self.call(task, *args), **keys}

    def call(self, task: str, *args: Any, **keys: Any) -> dict[str, Any]:
        """A task with its arguments."""
        return {"task": f"theirs.{task}", "args": list(args), "queue": self.queue, **keys}

    def several(self, id: str = "a", **keys: Any) -> dict[str, Any]:
        """A step that runs several of them."""
        return {"id": id, "type": "celery_task", **keys}


def write_app(folder: Path, broker: str, backend: str, queue: str, *, tracked: bool = True) -> None:
    (folder / "theirs.py").write_text(
        APP.format(broker=broker, backend=backend, tracked=tracked, queue=queue)
    )


@pytest.fixture(scope="module")
def theirs(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    """An app with a worker of four processes that leaves no task running."""
    folder, queue = tmp_path_factory.mktemp("theirs"), f"theirs-{uuid4()}"
    write_app(folder, redis_url, redis_url, queue)
    with worker(folder, redis_url, "", "-Q", queue, "--concurrency=4", app="theirs"):
        yield Theirs(folder, BridgeSettings.of(redis_url), queue)


def run_of(settings: BridgeSettings, *steps: dict[str, Any], **keys: Any) -> WorkflowRun:
    """A run in this process."""
    return interpret(
        parse({"name": "tested", "steps": [*steps], **keys}),
        run_id=str(uuid4()),
        celery=tasks_from_worker(settings),
        listener=keys.pop("listener", lambda event: None),
    )


async def report_of(theirs: Theirs, *steps: dict[str, Any]) -> Report:
    return await run_of(theirs.settings, *steps).run()


async def only(theirs: Theirs, step: dict[str, Any]) -> Any:
    """The record of the only step."""
    return (await report_of(theirs, step)).steps["a"]


@pytest.fixture(params=["redis", "rabbitmq"])
def anywhere(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Theirs]:
    """An app on every kind of broker, whose workers don't say when they begin."""
    broker: str = request.getfixturevalue("redis_url" if request.param == "redis" else "rabbitmq_url")
    queue = f"theirs-{uuid4()}"
    write_app(tmp_path, broker, redis_url, queue, tracked=False)
    with worker(tmp_path, broker, "", "-Q", queue, "--concurrency=2", app="theirs"):
        yield Theirs(tmp_path, BridgeSettings.of(broker, redis_url), queue)


async def test_a_task_is_run_by_its_name(anywhere: Theirs) -> None:
    """With args and kwargs, filled in; what it returns is the step's value."""
    step = anywhere.step("add", 1, "{{ 1 + 1 }}", kwargs={"times": 10}, outputs={"sum": "{{ result.value }}"})
    record = await only(anywhere, step)
    assert (record.status, record.outputs) == ("succeeded", {"sum": 30})
    assert record.result["value"] == 30
    assert (record.result["state"], record.result["task"]) == ("SUCCESS", "theirs.add")


async def test_a_failure_is_the_steps(theirs: Theirs) -> None:
    """With type and message of what was raised, and the end of its traceback."""
    record = await only(theirs, theirs.step("pay", -5))
    assert record.status == "failed"
    assert record.error.message == "theirs.pay: ValueError: -5 is not paid"
    assert record.result["state"] == "FAILURE"
    assert 'raise ValueError(f"{amount} is not paid")' in record.result["error"]["traceback"]


async def test_a_step_that_is_tried_again_sends_the_task_again(theirs: Theirs) -> None:
    """Each try is a task of its own."""
    record = await only(theirs, theirs.step("flaky", retry={"attempts": 5, "delay": 0}))
    assert (record.status, record.attempts, record.result["value"]) == ("succeeded", 3, "at last")
    assert theirs.effects().count("flaky") == 3


async def test_a_group_that_is_tried_again_sends_the_task_again(theirs: Theirs) -> None:
    """A try of a group around the step is another one, too."""
    group = {"id": "g", "type": "sequential", "repeat": {"until": "false", "max": 2}}
    await report_of(theirs, {**group, "steps": [theirs.step("pay", 77)]})
    assert theirs.effects().count("pay 77") == 2


@pytest.mark.parametrize("task", ["odd", "quiet"])
async def test_results_that_celery_stores_in_its_own_way(theirs: Theirs, task: str) -> None:
    """Moments and exact numbers are texts; a task that ignores its result tells it here all the same."""
    record = await only(theirs, theirs.step(task, timeout=60))
    wanted = {"odd": {"day": "2026-01-02", "price": "1.10"}, "quiet": "still told"}
    assert record.result["value"] == wanted[task]


async def test_a_result_that_is_too_large(theirs: Theirs) -> None:
    """It is not taken, and the step says why."""
    record = await only(theirs, theirs.step("huge"))
    assert record.status == "failed"
    assert "at most 1,048,576 are taken" in record.error.message


async def test_a_name_that_no_worker_knows(theirs: Theirs) -> None:
    """The worker refuses it, and the step says so."""
    record = await only(theirs, theirs.step("nothing"))
    assert record.status == "failed"
    assert "theirs.nothing: NotRegistered" in record.error.message
    assert "knows no task of that name" in record.error.message


async def test_a_step_that_does_not_wait(theirs: Theirs) -> None:
    """It has succeeded once the broker has the task."""
    record = await only(theirs, theirs.step("pay", 12, ignore_result=True))
    assert (record.status, record.result["state"], record.result["value"]) == ("succeeded", "SENT", None)
    await wait_until(lambda: "pay 12" in theirs.effects(), PATIENCE)


async def test_tasks_put_together(theirs: Theirs) -> None:
    """Chains, groups and chords in each other, as Celery's canvas has them; all that was returned is kept."""
    add, total = theirs.call("add", 1), theirs.call("total")
    chord = {"chord": {"header": [add, theirs.call("add", 2)], "body": total}}
    fixed = theirs.call("add", 100, immutable=True)
    record = await only(
        theirs,
        theirs.several(
            chain=[add, add, {"group": [add, {"chain": [add, add]}, fixed]}, total, chord],
            outputs={"first": "{{ result.tasks[0].value }}"},
        ),
    )
    assert record.status == "succeeded", record.error
    assert record.result["value"] == (107 + 1) + (107 + 2)
    assert record.outputs == {"first": 1, "tasks": [1, 2, 3, 3, 4, 100, 107, 108, 109, 217]}
    assert len({task["task_id"] for task in record.result["tasks"]}) == 10


async def test_a_chain_ends_with_its_first_failure(theirs: Theirs) -> None:
    """What comes after is never sent; of a group all run to their ends."""
    group = {"group": [theirs.call("pay", 21), theirs.call("pay", -22), theirs.call("pay", 23)]}
    fixed = theirs.call("pay", 24, immutable=True)
    record = await only(theirs, theirs.several(chain=[group, fixed]))
    assert record.status == "failed"
    assert record.error.message == "theirs.pay: ValueError: -22 is not paid"
    states = [task["state"] for task in record.result["tasks"]]
    assert states == ["SUCCESS", "FAILURE", "SUCCESS", None]
    assert "pay 24" not in theirs.effects()


async def test_a_timeout_revokes_the_task(theirs: Theirs) -> None:
    """The worker ends it, and confirms that."""
    record = await only(theirs, theirs.step("gated", "late", timeout=3))
    assert record.status == "failed"
    assert record.error.message.startswith("timed out after 3s; theirs.gated (")
    assert "is revoked: celery@" in record.error.message
    assert record.error.message.endswith("confirmed it")
    theirs.open("late")
    assert "late-ended" not in theirs.effects()


async def test_a_cancelled_run_revokes_the_task(theirs: Theirs) -> None:
    """The record says what became of it; of a chain no more is sent."""
    chain = [theirs.call("gated", "cut"), theirs.call("pay", 31, immutable=True)]
    run = run_of(theirs.settings, theirs.several(chain=chain))
    running = asyncio.create_task(run.run())
    await wait_until(lambda: "cut-began" in theirs.effects(), PATIENCE)
    run.cancel()
    record = (await running).steps["a"]
    theirs.open("cut")
    assert record.status == "cancelled"
    assert record.error is not None
    assert record.error.message.endswith("confirmed it")
    assert not {"cut-ended", "pay 31"} & {*theirs.effects()}


async def test_a_worker_that_can_not_end_a_task(redis_url: str, tmp_path: Path) -> None:
    """A pool of threads lets it go on: the record says that it may."""
    queue = f"theirs-{uuid4()}"
    write_app(tmp_path, redis_url, redis_url, queue)
    with worker(tmp_path, redis_url, "", "-Q", queue, "-P", "threads", "--concurrency=2", app="theirs"):
        here = Theirs(tmp_path, replace(BridgeSettings.of(redis_url), cancel_timeout=2), queue)
        record = await only(here, here.step("gated", "x", timeout=2))
        here.open("x")
        await wait_until(lambda: "x-ended" in here.effects(), PATIENCE)
    assert "has it and can't end it; it may still be running" in record.error.message


async def test_a_task_that_no_worker_takes(redis_url: str, theirs: Theirs) -> None:
    """It says so as soon as that is known; after the timeout it never runs."""
    lines: list[str] = []
    queue = f"nobody-{uuid4()}"
    run = interpret(
        parse({"name": "n", "steps": [theirs.step("pay", 41, queue=queue, timeout=8)]}),
        run_id="lonely",
        celery=tasks_from_worker(theirs.settings),
        listener=lambda event: lines.append(event.text),
    )
    record = (await run.run()).steps["a"]
    assert record.error is not None
    assert "no worker has received it (of " in record.error.message
    assert f"none takes from queue {queue!r}" in record.error.message
    assert any("submitted, and no worker has said that it began" in line for line in lines)
    with worker(theirs.folder, redis_url, "", "-Q", queue, "--concurrency=1", "-n", "late@%h", app="theirs"):
        await asyncio.to_thread(_drained, redis_url, queue)
    assert "pay 41" not in theirs.effects()


def _drained(url: str, queue: str) -> None:
    with Redis.from_url(url) as redis:
        until(lambda: not redis.exists(queue), "the queue")


async def test_a_broker_that_is_away() -> None:
    """Nothing was sent, and the step says so."""
    settings = BridgeSettings.of("redis://127.0.0.1:9/0")
    step = {"id": "a", "type": "celery_task", "task": "theirs.add", "timeout": 60}
    record = (await run_of(settings, step).run()).steps["a"]
    assert record.error is not None
    assert "can't be reached" in record.error.message


async def test_a_queue_that_rabbitmq_does_not_have(rabbitmq_url: str, redis_url: str) -> None:
    """RabbitMQ would drop the message without a word."""
    step = {"id": "a", "type": "celery_task", "task": "theirs.add", "queue": "nowhere", "timeout": 60}
    record = (await run_of(BridgeSettings.of(rabbitmq_url, redis_url), step).run()).steps["a"]
    assert record.error is not None
    assert "there is no queue 'nowhere'" in record.error.message


async def test_the_death_of_our_worker_runs_no_task_twice(
    redis_url: str, theirs: Theirs, tmp_path: Path
) -> None:
    """Another process follows the task that is under way; one that had ended is not sent again."""
    settings = BridgeSettings.of(redis_url, queue=f"queue-{uuid4()}")
    chain = [theirs.call("pay", 51), theirs.call("gated", "death", immutable=True)]
    steps = [theirs.several(chain=chain), theirs.step("pay", 52, id="b")]
    sent = Submission({"name": "n", "steps": steps}, {}, [], str(uuid4()))
    heard: list[Event] = []
    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1") as ours:
        running = asyncio.create_task(run_remotely(link_to(settings), sent, heard.append))
        await wait_until(lambda: "death-began" in theirs.effects(), PATIENCE)
        ours.kill_all()
        ours.start()
        await wait_until(
            lambda: any("was sent before, and is followed" in event.text for event in heard), PATIENCE
        )
        theirs.open("death")
        report = await running
    assert report.success, report.error
    done = [effect for effect in theirs.effects() if effect.startswith(("death", "pay 5"))]
    assert done == ["pay 51", "death-began", "death-ended", "pay 52"]


async def test_our_task_in_their_app(redis_url: str, tmp_path: Path) -> None:
    """One line in an app adds the task that runs workflows, beside its own and by its settings."""
    queue = f"theirs-{uuid4()}"
    write_app(tmp_path, redis_url, redis_url, queue)
    with (tmp_path / "theirs.py").open("a") as file:
        file.write('\napp.autodiscover_tasks(["celery_bridge"])\n')
    here = Theirs(tmp_path, BridgeSettings.of(redis_url, queue=queue), queue)
    document = {"name": "n", "steps": [here.step("add", 1, 2)]}
    with worker(tmp_path, redis_url, "", "-Q", queue, "--concurrency=2", app="theirs"):
        sent = Submission(document, {}, [], str(uuid4()))
        report = await run_remotely(link_to(here.settings), sent)
    assert report.success, report.error
    assert report.steps["a"].result["value"] == 3


def call_of(theirs: Theirs, amount: int) -> Call:
    return Call(id=str(uuid4()), task="theirs.pay", args=[amount], kwargs={}, queue=theirs.queue)


async def marked(theirs: Theirs, call: Call, mark: Mark) -> TaskLink:
    """The way to their app, where a life that died has left a mark."""
    async with Backend(theirs.settings.result_backend) as backend:
        await TaskLedger(backend).set(call.id, mark)
    return TaskLink(theirs.settings)


async def test_a_call_whose_sending_was_not_seen_to_end_is_sent(theirs: Theirs) -> None:
    """No worker knows of it: it is likely not to have been."""
    call = call_of(theirs, 61)
    link = await marked(theirs, call, "sending")
    assert (await link.run(call, lambda text: None)).value == {"paid": 61}
    assert (await link.run(call, lambda text: None)).value == {"paid": 61}
    assert theirs.effects().count("pay 61") == 1


async def test_a_call_that_was_sent_is_only_followed(theirs: Theirs) -> None:
    """Even if nothing is known of it: its message may wait in the queue."""
    call = call_of(theirs, 62)
    link = await marked(theirs, call, "sent")
    lines: list[str] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await link.run(call, lines.append)
    assert lines[0].endswith("was sent before, and is followed")
    assert "pay 62" not in theirs.effects()


async def test_a_call_that_was_sent_long_ago_is_not_waited_for_without_end(theirs: Theirs) -> None:
    """Its result is kept no longer, no worker has it and it isn't in the queue: it is lost."""
    call = call_of(theirs, 66)
    link = await marked(theirs, call, "sent")
    async with Backend(theirs.settings.result_backend) as backend:
        await backend.ask(lambda redis: redis.expire(f"opsconductor:task:{call.id}", TTL - 90_000))
    with pytest.raises(TaskLost, match=r"was sent 25 hours ago; no worker has it, it is not in queue "):
        await link.run(call, lambda text: None)
    assert "pay 66" not in theirs.effects()


async def test_a_call_that_was_revoked_is_not_followed(theirs: Theirs) -> None:
    """An earlier life gave it up: this one says so, too."""
    call = call_of(theirs, 63)
    link = await marked(theirs, call, "revoked")
    with pytest.raises(StepFailed, match="was given up and revoked before"):
        await link.run(call, lambda text: None)
    assert "pay 63" not in theirs.effects()


async def test_what_was_never_sent_needs_no_revocation(theirs: Theirs) -> None:
    """It says that."""
    call = call_of(theirs, 64)
    revoked = await TaskLink(theirs.settings).revoke(call)
    assert (revoked.text, revoked.confirmed) == (f"{call.label} was not sent", True)


async def test_many_calls_are_revoked_together(theirs: Theirs) -> None:
    """However many they are: the workers are asked for all of them at once, within one patience."""
    calls = [replace(call_of(theirs, 65), id=str(uuid4()), queue="nobody") for _ in range(200)]
    async with Backend(theirs.settings.result_backend) as backend:
        for call in calls:
            await TaskLedger(backend).set(call.id, "sent")
    link = TaskLink(theirs.settings)
    said = await asyncio.gather(*(link.revoke(call) for call in calls))
    assert [one.text for one in said if "no worker has received it" not in one.text] == []
    assert not any(one.confirmed for one in said)


async def test_a_restart_of_the_result_backend_is_waited_out(own_redis: RedisServer, tmp_path: Path) -> None:
    """What was published while there was no connection is found."""
    queue = f"theirs-{uuid4()}"
    write_app(tmp_path, own_redis.url, own_redis.url, queue)
    with worker(tmp_path, own_redis.url, "", "-Q", queue, "--concurrency=1", app="theirs") as process:
        here = Theirs(tmp_path, BridgeSettings.of(own_redis.url), queue)
        running = asyncio.create_task(report_of(here, here.step("gated", "blink")))
        await wait_until(lambda: "blink-began" in here.effects(), PATIENCE)
        await asyncio.to_thread(_restarted, own_redis)
        here.open("blink")
        await wait_until(lambda: "blink-ended" in here.effects(), PATIENCE)
        if (
            process.process is not None and process.process.poll() is not None
        ):  # Celery's own does not survive
            await asyncio.to_thread(process.start)
        report = await running
    assert report.steps["a"].result["value"] == "blink", report.error


def _restarted(server: RedisServer) -> None:
    server.kill()
    server.start()


async def test_cancelling_a_run_on_our_worker_revokes_their_task(
    redis_url: str, theirs: Theirs, tmp_path: Path
) -> None:
    """The report says that its worker confirmed it."""
    settings = BridgeSettings.of(redis_url, queue=f"queue-{uuid4()}")
    sent = Submission({"name": "n", "steps": [theirs.step("gated", "afar")]}, {}, [], str(uuid4()))
    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1"):
        running = asyncio.create_task(run_remotely(link_to(settings), sent))
        await wait_until(lambda: "afar-began" in theirs.effects(), PATIENCE)
        running.cancel()
        report = await running
    theirs.open("afar")
    record = report.steps["a"]
    assert (report.cancelled, record.status) == (True, "cancelled")
    assert record.error is not None
    assert record.error.message.startswith("cancelled: theirs.gated (")
    assert record.error.message.endswith("confirmed it")
    assert "afar-ended" not in theirs.effects()
