"""How Celery workers are judged by what they say."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from doctor.attendance_checks import judge_attendance
from doctor.clocks import Clock
from doctor.documents import DocumentsSeen
from doctor.findings import Finding, State
from doctor.rabbitmq import Queue, RabbitSeen
from doctor.site import same_server
from doctor.timeouts import judge_visibility
from doctor.worker_checks import (
    judge_acknowledging,
    judge_answers,
    judge_pool,
    judge_prefetching,
    judge_same_results,
    judge_serializers,
    judge_state_db,
    judge_worker_clocks,
    judge_worker_versions,
)
from doctor.workers import Worker, WorkersSeen
from tests.unit.findings import states, the

OURS = {"opsconductor": "0.1.0", "celery": "5.7.0", "kombu": "5.7.0", "redis": "8.1.0"}
URL = "redis://:***@host:6379/0"
WORKER = Worker(
    name="w@1",
    queues=frozenset({"opsconductor"}),
    tasks=frozenset({"opsconductor.run_workflow"}),
    conf={"worker_prefetch_multiplier": 1, "accept_content": ["json"]},
    pool="celery.concurrency.prefork:TaskPool",
    processes=4,
    prefetched=4,
    celery="5.7.0",
    versions=OURS,
    result_backend=URL,
    clock=Clock(0.0, 0.1),
)
NO_DOCUMENTS = DocumentsSeen((), (), named=False)
OTHERS = frozenset({"opsconductor.run_workflow", "shop.bill"})


def seen(*workers: Worker, **more: Any) -> WorkersSeen:
    """These workers take from our queue."""
    return WorkersSeen(("opsconductor",), URL, URL, workers, **more)


def with_conf(**conf: Any) -> WorkersSeen:
    """One worker with these settings instead of ours."""
    return seen(replace(WORKER, conf=conf))


@pytest.mark.parametrize(
    ("there", "state", "words"),
    [
        (seen(WORKER, waiting={"opsconductor": 2}), "ok", ("1 worker takes", "2 wait")),
        (seen(WORKER, replace(WORKER, name="w@2")), "ok", ("2 workers take",)),
        (seen(), "error", ("none answers", "opsconductor up")),
        (seen(waiting={"opsconductor": 5}), "error", ("5 wait",)),
        (seen(elsewhere=("shop@1",)), "error", ("1 answer", "other queues")),
        (seen(replace(WORKER, queues=frozenset({"gpu"}))), "error", ("1 answer", "other queues")),
        (seen(replace(WORKER, tasks=frozenset({"shop.bill"}))), "error", ("-I celery_bridge.tasks",)),
    ],
)
def test_attendance(there: WorkersSeen, state: State, words: tuple[str, ...]) -> None:
    """Somebody takes from the queue who knows what a workflow is."""
    the(judge_attendance(there, None, NO_DOCUMENTS), state, *words)


def test_messages_in_a_rabbitmq() -> None:
    """It counts them itself."""
    rabbit = RabbitSeen("amqp://host//", "RabbitMQ", "3.10.8", (Queue("opsconductor", 9, 0, True),))
    the(judge_attendance(seen(), rabbit, NO_DOCUMENTS), "error", "9 wait")


def test_queues_that_documents_name() -> None:
    """Each needs a worker; the document is named."""
    documents = replace(NO_DOCUMENTS, queues={"opsconductor": "Usual", "gpu": "Train"})
    everywhere = replace(WORKER, queues=frozenset({"opsconductor", "gpu"}))
    assert states(judge_attendance(seen(everywhere), None, documents)) == ["ok", "ok"]
    usual, gpu = judge_attendance(seen(WORKER), None, documents)
    assert usual.state == "ok"
    the([gpu], "error", "'gpu'", "'Train'", "OPSCONDUCTOR_QUEUES=gpu=2", "-Q gpu")


@pytest.mark.parametrize(
    ("versions", "celery", "state", "words"),
    [
        (OURS, "5.7.0", "ok", ()),
        (OURS, "5.7.3", "ok", ()),
        ({**OURS, "opsconductor": "0.2.0"}, "5.7.0", "warning", ("OpsConductor 0.2.0", "0.1.0")),
        ({**OURS, "celery": "5.4.0"}, "5.4.0", "warning", ("Celery 5.4.0",)),
        ({}, "5.7.0", "skipped", ()),
    ],
)
def test_versions(versions: dict[str, str], celery: str, state: State, words: tuple[str, ...]) -> None:
    """Both ends are of one make."""
    worker = replace(WORKER, versions=versions, celery=celery)
    the(judge_worker_versions(seen(worker), OURS), state, "w@1", *words)


@pytest.mark.parametrize(
    ("conf", "state"),
    [
        ({}, "ok"),
        ({"task_acks_late": True}, "warning"),
        ({"task_acks_late": True, "task_reject_on_worker_lost": False}, "warning"),
        ({"task_acks_late": True, "task_reject_on_worker_lost": True}, "ok"),
        ({"task_acks_late": False}, "ok"),
    ],
)
def test_acknowledging(conf: dict[str, Any], state: State) -> None:
    """Late acknowledging without rejecting loses tasks."""
    the(judge_acknowledging(with_conf(**conf)), state, "w@1")


@pytest.mark.parametrize(
    ("multiplier", "held", "processes", "state"),
    [
        (1, 4, 4, "ok"),
        (4, 16, 4, "warning"),
        (4, 4, 4, "ok"),
        (None, None, 0, "warning"),
        (1, None, 0, "ok"),
        (0, 0, 4, "warning"),
    ],
)
def test_prefetching(multiplier: int | None, held: int | None, processes: int, state: State) -> None:
    """What the worker really holds counts, else what it is set to: Celery's default is 4, 0 is no bound."""
    conf = {} if multiplier is None else {"worker_prefetch_multiplier": multiplier}
    worker = replace(WORKER, conf=conf, prefetched=held, processes=processes)
    the(judge_prefetching(seen(worker)), state, "w@1")


@pytest.mark.parametrize(
    ("accepted", "state", "words"),
    [
        (["json"], "ok", ()),
        (None, "ok", ()),
        (["application/json"], "ok", ()),
        (["json", "msgpack"], "ok", ()),
        (["json", "pickle"], "error", ("pickle", "any code")),
        (["pickle"], "error", ("pickle",)),
        (["yaml", "json"], "error", ("yaml",)),
        (["msgpack"], "error", ("refuses",)),
    ],
)
def test_serializers(accepted: list[str] | None, state: State, words: tuple[str, ...]) -> None:
    """JSON, and nothing that can name code."""
    conf = {} if accepted is None else {"accept_content": accepted}
    the(judge_serializers(with_conf(**conf)), state, "w@1", *words)


@pytest.mark.parametrize(
    ("pool", "state", "words"),
    [
        ("celery.concurrency.prefork:TaskPool", "ok", ("4 processes",)),
        ("celery.concurrency.solo:TaskPool", "warning", ("solo", "--pool prefork")),
        ("celery.concurrency.thread:TaskPool", "warning", ("thread",)),
        ("celery.concurrency.gevent:TaskPool", "warning", ("gevent",)),
        ("", "skipped", ()),
    ],
)
def test_pool(pool: str, state: State, words: tuple[str, ...]) -> None:
    """Processes are what was tested."""
    the(judge_pool(seen(replace(WORKER, pool=pool))), state, "w@1", *words)


@pytest.mark.parametrize(
    ("tasks", "state_db", "versions", "state"),
    [
        (WORKER.tasks, None, OURS, "ok"),
        (OTHERS, None, OURS, "warning"),
        (OTHERS, "/var/lib/revoked", OURS, "ok"),
        (OTHERS, None, {}, "skipped"),
    ],
)
def test_state_db(
    tasks: frozenset[str], state_db: str | None, versions: dict[str, str], state: State
) -> None:
    """Workflows remember by themselves that they were cancelled; an application's tasks don't."""
    worker = replace(WORKER, tasks=tasks, state_db=state_db, versions=versions)
    the(judge_state_db(seen(worker)), state, "w@1")


@pytest.mark.parametrize(
    ("theirs", "state"),
    [
        (URL, "ok"),
        ("redis://user:***@host", "ok"),
        ("redis://:***@host:6379/1", "warning"),
        ("redis://:***@other:6379/0", "warning"),
        ("redis://:***@host:6379?db=0", "ok"),
        ("redis://:***@host:6379/0?db=1", "warning"),
        ("redis://:***@host:6379?virtual_host=1", "warning"),
        ("redis+socket://host/run/redis.sock", "warning"),
        (None, "error"),
    ],
)
def test_same_results(theirs: str | None, state: State) -> None:
    """A worker reports to where runs listen; passwords and defaults make no difference."""
    the(judge_same_results(seen(replace(WORKER, result_backend=theirs)), same_server), state, "w@1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("redis+socket:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0", True),
        (
            "redis+socket:///run/redis.sock?virtual_host=1",
            "redis+socket:///run/redis.sock?virtual_host=2",
            False,
        ),
        ("redis+socket:///run/redis.sock?virtual_host=1", "unix:///run/redis.sock?db=1", True),
        ("redis+socket:///run/one.sock", "redis+socket:///run/other.sock", False),
        ("valkey://localhost", "redis://127.0.0.1:6379/0?socket_timeout=5", True),
        ("rediss://host/1?ssl_cert_reqs=required", "rediss://host/1", True),
    ],
)
def test_addresses_of_one_database(one: str, other: str, same: bool) -> None:
    """The database's number may be in the path or a parameter; other parameters make no difference."""
    assert same_server(one, other) == same


def test_clocks_and_answers() -> None:
    """A worker's clock is judged where it is known; one that answers half is named."""
    the(judge_worker_clocks(seen(replace(WORKER, clock=Clock(-90.0, 1.0)))), "error", "w@1", "behind")
    assert states(judge_worker_clocks(seen(replace(WORKER, clock=None)))) == []
    assert states(judge_answers(seen(WORKER))) == []
    the(judge_answers(seen(replace(WORKER, pool="", conf=None))), "skipped", "w@1", "settings and its pool")


@pytest.mark.parametrize(
    "judged",
    [
        judge_acknowledging,
        judge_prefetching,
        judge_serializers,
        lambda there: judge_visibility(60.0, there, NO_DOCUMENTS),
    ],
)
def test_what_a_worker_does_not_tell_is_not_judged(
    judged: Callable[[WorkersSeen], Iterator[Finding]],
) -> None:
    """Its settings may be anything; that it doesn't tell them is one finding, and said once."""
    silent = replace(WORKER, name="w@2", conf=None)
    assert states(judged(seen(silent))) == []
    the(judged(seen(WORKER, silent)), "ok", "w@1")
    the(judge_answers(seen(WORKER, silent)), "skipped", "w@2", "its settings")
