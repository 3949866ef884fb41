"""Real servers and workers with something wrong, as `opsconductor doctor` sees them."""

import json
import socket
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from amqp.basic_message import Message
from kombu.connection import Connection
from redis import Redis

from cli.failures import Exit
from cli.main import run_command
from tests.integration.brokers import RedisServer, Worker, worker

APP = """
from celery import Celery

app = Celery("shop", broker={broker!r}, backend={broker!r}, include=["celery_bridge.tasks"])
app.conf.update(
    task_default_queue="opsconductor",
    accept_content=["json", "pickle"],
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    broker_transport_options={{"visibility_timeout": 60}},
)


@app.task(name="shop.bill")
def bill():
    pass
"""
LONG = "name: Long\nsteps:\n  - {id: wait, type: command, command: 'true', timeout: 5m}\n"


Key = tuple[str, str]
Finding = dict[str, Any]
PATIENCE = 120.0


class Doctor:
    """`opsconductor doctor --json` with servers of one's own."""

    def __init__(self, environment: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self._environment = environment
        self._capture = capture

    def use(self, **variables: str) -> None:
        """Set environment variables."""
        for name, value in variables.items():
            self._environment.setenv(name, value)

    def findings(self) -> list[Finding]:
        """Everything that it finds; it ends with 1 just where there are errors."""
        code = run_command(["doctor", "--json"])
        told = json.loads(self._capture.readouterr().out)
        assert code == (Exit.FAILED if told["counts"]["error"] else Exit.DONE)
        return list(told["findings"])

    def shows(self, expected: dict[Key, str], part: str | None = None) -> list[Finding]:
        """Look again until these checks have these states, and `part` has no others; what was found then.

        A machine that stands still for a moment is for a doctor one whose servers don't answer.
        """
        deadline = monotonic() + PATIENCE
        while True:
            findings = self.findings()
            found = {key: s for key, s in states(findings).items() if key in expected or key[0] == part}
            if found == expected or monotonic() > deadline:
                assert found == expected
                return findings


def states(findings: list[Finding]) -> dict[Key, str]:
    """The state of each check."""
    return {(one["part"], one["check"]): one["state"] for one in findings}


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """A doctor in an environment without servers."""
    for name in ("PREFECT_API_URL", "OPSCONDUCTOR_BROKER_URL", "OPSCONDUCTOR_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "documents").mkdir()
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSCONDUCTOR_WORKFLOWS", str(tmp_path / "documents"))
    return Doctor(monkeypatch, capsys)


def attendance(findings: list[Finding]) -> Finding:
    """Who takes from the queue."""
    [one] = [one for one in findings if one["check"] == "attendance"]
    return one


@pytest.mark.timeout(400)
def test_our_own_worker_is_well(redis_url: str, celery_worker: Worker, doctor: Doctor) -> None:
    """A worker of ours on a Redis with an append-only file: nothing is wrong with either, nothing unknown."""
    doctor.use(OPSCONDUCTOR_BROKER_URL=redis_url)
    broker = ("version", "eviction", "persistence", "writing", "clock")
    workers = ("attendance", "versions", "results", "visibility timeout", "acknowledging", "prefetching")
    more = ("serializers", "pool", "revoked tasks", "clock")
    doctor.shows({("broker", check): "ok" for check in broker}, "broker")
    doctor.shows({("workers", check): "ok" for check in (*workers, *more)}, "workers")


@pytest.mark.timeout(600)
def test_a_redis_that_forgets(own_redis: RedisServer, doctor: Doctor) -> None:
    """Eviction, no append-only file, a full memory and no worker are seen as what they are."""
    doctor.use(OPSCONDUCTOR_BROKER_URL=own_redis.url)
    with Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        doctor.shows({("broker", "eviction"): "warning", ("broker", "persistence"): "ok"})
        client.config_set("maxmemory", str(200 * 1024**2))
        client.config_set("appendonly", "no")
        client.rpush("opsconductor", "a message", "another")
        client.rpush("opsconductor\x06\x166", "a less urgent one")
        evicts = {("broker", "eviction"): "error", ("broker", "persistence"): "warning"}
        writable = {("broker", "writing"): "ok", ("workers", "attendance"): "error"}
        findings = doctor.shows(evicts | writable)
        assert attendance(findings)["evidence"]["waiting"] == 3
        assert client.keys("opsconductor:doctor:*") == []
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")
        doctor.shows({("broker", "writing"): "error", ("broker", "memory"): "warning"})


@pytest.mark.timeout(400)
def test_a_replica_takes_nothing(own_redis: RedisServer, redis_url: str, doctor: Doctor) -> None:
    """A result backend that is a replica can't be written."""
    doctor.use(OPSCONDUCTOR_BROKER_URL=redis_url, OPSCONDUCTOR_RESULT_BACKEND=own_redis.url)
    doctor.shows({("results", "writing"): "ok", ("broker", "writing"): "ok"})
    with Redis.from_url(own_redis.url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        doctor.shows({("results", "writing"): "error", ("broker", "writing"): "ok"})


@pytest.mark.timeout(400)
def test_a_worker_with_wrong_settings(own_redis: RedisServer, tmp_path: Path, doctor: Doctor) -> None:
    """Its settings and pool are asked, not guessed; another result backend than ours is noticed."""
    (tmp_path / "shop.py").write_text(APP.format(broker=own_redis.url))
    (tmp_path / "documents" / "long.yaml").write_text(LONG)
    # Celery refuses pickle to a root.
    doctor.use(OPSCONDUCTOR_BROKER_URL=own_redis.url, C_FORCE_ROOT="true")
    other = f"{own_redis.url.removesuffix('0')}5"
    expected = {
        "attendance": "ok",
        "versions": "ok",
        "results": "warning",
        "visibility timeout": "warning",
        "acknowledging": "warning",
        "prefetching": "warning",
        "serializers": "error",
        "pool": "warning",
        "revoked tasks": "warning",
        "clock": "ok",
    }
    with worker(tmp_path, own_redis.url, other, "--pool=threads", "--concurrency=2", app="shop"):
        doctor.shows({("workers", check): state for check, state in expected.items()}, "workers")


@pytest.mark.timeout(400)
def test_a_worker_without_workflows(own_redis: RedisServer, tmp_path: Path, doctor: Doctor) -> None:
    """An application's worker on our queue that doesn't know our task throws workflows away."""
    text = APP.format(broker=own_redis.url).replace('"celery_bridge.tasks"', "")
    (tmp_path / "shop.py").write_text(text)
    (tmp_path / "documents" / "train.yaml").write_text(LONG + "queue: gpu\n")
    doctor.use(OPSCONDUCTOR_BROKER_URL=own_redis.url, C_FORCE_ROOT="true")
    expected = {"versions": "skipped", "serializers": "error", "revoked tasks": "skipped"}
    with worker(tmp_path, own_redis.url, own_redis.url, app="shop"):
        findings = doctor.shows({("workers", check): state for check, state in expected.items()})
    told = [one["what"] for one in findings if one["check"] == "attendance" and one["state"] == "error"]
    assert ["don't know workflows" in told[0], "'gpu', which 'Long' goes through" in told[1]] == [True, True]


@pytest.mark.timeout(600)
def test_a_rabbitmq(rabbitmq_url: str, redis_url: str, doctor: Doctor) -> None:
    """Its queue is looked at and not made; a classic one is in the way; results need a Redis."""
    doctor.use(OPSCONDUCTOR_BROKER_URL=rabbitmq_url, OPSCONDUCTOR_QUEUE="examined")
    doctor.shows({("broker", "address"): "error"})
    doctor.use(OPSCONDUCTOR_RESULT_BACKEND=redis_url)
    doctor.shows({("broker", "version"): "ok"}, "broker")
    doctor.shows({("results", "writing"): "ok"})
    for kind, state in (("classic", "error"), ("quorum", "ok")):
        with Connection(rabbitmq_url) as connection:  # type: ignore[no-untyped-call]
            channel: Any = connection.default_channel
            arguments = {"x-queue-type": kind}
            channel.queue_declare("examined", durable=True, auto_delete=False, arguments=arguments)
            channel.basic_publish(Message("a message"), "", "examined")
            findings = doctor.shows({("broker", "queue"): state, ("workers", "attendance"): "error"})
            channel.queue_delete("examined")
        assert attendance(findings)["evidence"]["waiting"] == 1


@pytest.mark.timeout(400)
def test_servers_that_never_answer(doctor: Doctor) -> None:
    """They accept connections and say nothing: errors in bounded time, not a doctor that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        doctor.use(
            PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
            OPSCONDUCTOR_BROKER_URL=f"redis://127.0.0.1:{port}/0",
        )
        away = {("prefect", "prefect"): "error", ("broker", "redis"): "error"}
        doctor.shows(away | {("packages", "Python"): "ok"})
