"""A workflow on Celery as a task run of Prefect: what its UI shows."""

import asyncio
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterTaskRunId,
)
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run

from celery_bridge.errors import EngineUnreachable
from celery_bridge.settings import BridgeSettings
from celery_bridge.submit import run_on_celery
from codegen.document import parse
from control.home import Home, Installation
from control.locks import take
from flows.configuration import bridge_settings
from flows.engines import Job, by_celery
from flows.journals import Book
from flows.session import Session
from rehearsal.server import temporary_server
from steps.events import Event, Listener
from tests.integration.brokers import Worker

# Prefect's clients leave sockets to the garbage collector.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)

Document = dict[str, Any]
DOCUMENT: Document = {
    "name": "Free disk space\nand more",
    "steps": [
        {"id": "usage", "type": "command", "command": "echo 81%"},
        {"id": "clean", "type": "command", "command": "exit 3"},
    ],
}


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    """A temporary Prefect server."""
    with temporary_server():
        yield


@pytest.fixture
def settings(redis_url: str, celery_worker: Worker) -> BridgeSettings:
    """Where a worker attends."""
    return BridgeSettings.of(redis_url)


@dataclass(frozen=True)
class Ended:
    """How a task run ended: what the UI shows of it, and what it hands on."""

    flow_run_id: str
    name: str
    message: str | None
    outcome: Any


async def submitted(document: Document, settings: BridgeSettings, listener: Listener) -> Ended:
    state: State[Any] = await run_on_celery(  # type: ignore[misc]  # Prefect's overloads forget the await
        document, {}, [], run_id=str(uuid4()), settings=settings, listener=listener, return_state=True
    )
    outcome = await state.aresult(raise_on_failure=False)
    return Ended(str(flow_run.id), state.name or "", state.message, outcome)


async def recorded(flow_run_id: str) -> list[TaskRun]:
    """A flow run's task runs, as soon as Prefect has recorded how they ended."""
    of_flow = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(flow_run_id)]))
    async with get_client() as client:
        while True:
            found = await client.read_task_runs(flow_run_filter=of_flow)
            if found and all(run.state is not None and run.state.is_final() for run in found):
                return found
            await asyncio.sleep(0.1)


async def logged(task_run: TaskRun, until: str) -> list[str]:
    """What the UI shows as the task run's log, as soon as a text is in it."""
    of_task = LogFilter(task_run_id=LogFilterTaskRunId(any_=[task_run.id]))
    async with get_client() as client:
        while True:
            texts = [log.message for log in await client.read_logs(of_task)]
            if any(until in text for text in texts):
                return texts
            await asyncio.sleep(0.1)


async def test_a_run_is_one_task_run_with_a_log_that_reads(settings: BridgeSettings) -> None:
    """Named after the workflow, failed as it did; each step's start, output and end is in its log."""
    heard: list[Event] = []

    @flow
    async def routes() -> Ended:
        return await submitted(DOCUMENT, settings, heard.append)

    ended = await routes()
    assert (ended.name, ended.message) == ("Failed", "step 'clean' failed: exit code 3")
    assert ended.outcome.steps["usage"].result["stdout"].strip() == "81%"
    assert [event.kind for event in heard] == ["started", "line", "ended", "started", "ended"]
    async with asyncio.timeout(60):
        [task_run] = await recorded(ended.flow_run_id)
        log = await logged(task_run, until="clean failed in")
    assert task_run.name == "celery: Free disk space"
    sent, received = log[:2]
    assert re.fullmatch(f"Submitted to queue '{settings.queue}' as [0-9a-f-]{{36}}", sent)
    assert received.startswith("Received by celery@")
    assert "usage started (step 1 of 2)" in log
    assert "usage: 81%" in log
    assert any(text.startswith("usage succeeded in ") for text in log)


async def test_a_cancelled_task_reports_what_was_done(settings: BridgeSettings) -> None:
    """The asyncio task that awaits it is cancelled: the workflow ends, and its report still comes."""
    up = asyncio.Event()
    document = {"name": "long", "steps": [{"id": "a", "type": "command", "command": "echo up; sleep 1000"}]}

    @flow
    async def cancels() -> Ended:
        work = asyncio.create_task(submitted(document, settings, lambda event: up.set()))
        await up.wait()
        work.cancel()
        return await work

    ended = await cancels()
    assert ended.name == "Cancelled"
    assert ended.outcome.cancelled
    assert ended.outcome.steps["a"].status == "cancelled"


async def test_a_broker_that_is_away_fails_the_task(unused_tcp_port: int) -> None:
    """With a message that says so, and the error for whoever called."""
    settings = BridgeSettings.of(f"redis://127.0.0.1:{unused_tcp_port}/0")

    @flow
    async def routes() -> Ended:
        return await submitted(DOCUMENT, settings, lambda event: None)

    ended = await routes()
    assert ended.name == "Failed"
    assert "can't be reached" in (ended.message or "")
    assert isinstance(ended.outcome, EngineUnreachable)


async def test_a_run_that_is_cancelled_before_its_task_begins(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is reported as cancelled, nothing is sent, and no CancelledError gets out."""
    monkeypatch.setenv("OPSCONDUCTOR_BROKER_URL", redis_url)
    session = Session(str(uuid4()))
    session.cancel()

    @flow
    async def routed() -> Any:
        return await by_celery(Job(parse(DOCUMENT), {}, (), session, Book(session.run_id, None, again=False)))

    report = await routed()
    assert report.cancelled
    assert {record.status for record in report.steps.values()} == {"cancelled"}


async def test_the_built_in_broker_and_a_queue_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The built-in worker takes from the queue that the environment names, so runs are sent there."""
    home = Home(tmp_path).create()
    url = "redis://:x@127.0.0.1:1/0"
    api = "http://127.0.0.1:2/api"
    home.save(
        Installation(
            prefect_api_url=api,
            prefect_ui_url=api,
            prefect_embedded=True,
            broker_url=url,
            result_backend=url,
            broker_embedded=True,
            phase="ready",
        )
    )
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path))
    monkeypatch.setenv("OPSCONDUCTOR_QUEUE", "mine")
    lock = take(home.lock_file, patience=5)
    assert lock is not None
    try:
        found = await bridge_settings()
    finally:
        os.close(lock)
    assert (found.broker_url, found.result_backend, found.queue) == (url, url, "mine")
