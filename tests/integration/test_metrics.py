"""What is counted of runs, and how Prometheus reads it: real brokers, real workers."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from celery_bridge.errors import EngineUnreachable
from celery_bridge.metrics import page
from celery_bridge.remote import link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from tests.integration.brokers import RedisServer, free_port, until, worker

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest, redis_url: str) -> str:
    """Every kind of broker."""
    return redis_url if request.param == "redis" else str(request.getfixturevalue("rabbitmq_url"))


@pytest.fixture
def settings(broker_url: str, redis_url: str) -> BridgeSettings:
    """A queue of its own for each test."""
    return BridgeSettings.of(broker_url, redis_url, queue=f"counted-{uuid4()}", worker_timeout=60)


def submission(text: str) -> Submission:
    document = {"name": "counted", "steps": [{"id": "a", "type": "command", "command": text}]}
    return Submission(document, {}, [], str(uuid4()))


def samples(settings: BridgeSettings) -> dict[tuple[str, ...], float]:
    """The values of the settings' queue, by name and other labels."""
    return {
        (sample.name.removeprefix("opsconductor_"), *others(sample)): sample.value
        for family in text_string_to_metric_families(page(settings).decode())
        for sample in family.samples
        if sample.labels["queue"] == settings.queue
    }


def others(sample: Sample) -> Iterator[str]:
    return (value for name, value in sample.labels.items() if name != "queue")


async def test_runs_are_counted(
    settings: BridgeSettings, broker_url: str, redis_url: str, tmp_path: Path
) -> None:
    """From the sending to the end, with how long they took; each is in all buckets that are wide enough."""
    assert samples(settings)["runs_submitted_total",] == 0
    with worker(tmp_path, broker_url, redis_url, "-Q", settings.queue, "--concurrency=1"):
        good = await run_remotely(link_to(settings), submission("true"))
        bad = await run_remotely(link_to(settings), submission("false"))
        assert (good.success, bad.success) == (True, False)
        until(lambda: ("runs_ended_total", "failed") in samples(settings), "the count")
    found = samples(settings)
    assert found["runs_submitted_total",] == found["runs_received_total",] == 2
    assert found["runs_ended_total", "succeeded"] == found["runs_ended_total", "failed"] == 1
    assert found["runs_redelivered_total",] == found["runs_lost_total",] == 0
    assert found["queue_length",] == 0
    assert found["run_duration_seconds_bucket", "14400"] == found["run_duration_seconds_count",] == 2
    assert found["run_duration_seconds_sum",] > 0


async def test_what_waits_is_counted(settings: BridgeSettings) -> None:
    """A queue that nobody has made has nothing; what was sent and nobody received waits in it."""
    assert samples(settings)["queue_length",] == 0
    with pytest.raises(EngineUnreachable):
        await run_remotely(link_to(replace(settings, worker_timeout=1)), submission("exit 9"))
    found = samples(settings)
    assert (found["queue_length",], found["runs_submitted_total",]) == (1, 1)
    assert found["runs_received_total",] == 0


async def test_a_run_that_is_taken_over_is_counted(redis_url: str, tmp_path: Path) -> None:
    """Once more for each worker that goes on with it."""
    settings = BridgeSettings.of(redis_url, queue=f"counted-{uuid4()}")
    mark = tmp_path / "mark"
    with worker(tmp_path, redis_url, redis_url, "-Q", settings.queue, "--concurrency=1") as theirs:
        sent = submission(f"[ -e {mark} ] || {{ touch {mark}; sleep 600; }}")
        running = asyncio.create_task(run_remotely(link_to(settings), sent))
        await asyncio.to_thread(until, mark.exists, "the step")
        os.kill(theirs.pool()[0], signal.SIGKILL)
        assert (await running).success
        until(lambda: ("runs_ended_total", "succeeded") in samples(settings), "the count")
    found = samples(settings)
    assert (found["runs_received_total",], found["runs_redelivered_total",]) == (1, 1)


@pytest.fixture
def served(own_redis: RedisServer, tmp_path: Path) -> Iterator[str]:
    """The address at which `opsconductor metrics --port` serves those of a Redis."""
    port = free_port()
    environment = os.environ | {
        "OPSCONDUCTOR_BROKER_URL": own_redis.url,
        "OPSCONDUCTOR_RESULT_BACKEND": own_redis.url,
        "OPSCONDUCTOR_HOME": str(tmp_path / "home"),
    }
    command = [sys.executable, "-m", "cli.main", "metrics", "--port", str(port)]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=said)
    try:
        until(lambda: b"/metrics" in (tmp_path / "said").read_bytes(), "the server")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 4


def answer(url: str) -> tuple[int, str]:
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=60) as found:
            return found.status, found.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_prometheus_can_ask(served: str, own_redis: RedisServer) -> None:
    """At /metrics; where the Redis is away it is told why there is nothing, and asks again later."""
    status, text = answer(f"{served}/metrics")
    assert status == 200
    assert 'opsconductor_queue_length{queue="opsconductor"} 0.0' in text
    assert answer(served)[0] == 404
    own_redis.kill()
    status, text = answer(f"{served}/metrics")
    assert status == 503
    assert "can't be reached" in text
    own_redis.start()
    assert answer(f"{served}/metrics")[0] == 200
