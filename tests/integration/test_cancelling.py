"""Cancelling in Prefect's UI: the run, or only the flow run below it that is seen at work."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import get_client
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Cancelling

from codegen.result import RunResult
from flows.router import route_workflow
from rehearsal.server import temporary_server
from tests.unit.waiting import PATIENCE, wait_until

pytestmark = [
    pytest.mark.timeout(600),
    # Prefect's clients leave sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """One Prefect server for all tests."""
    with temporary_server():
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home folder of its own."""
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path / "home"))


def writes(id: str, log: Path, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "command", "command": ["sh", "-c", f"echo {id} >> {log}"], **more}


def waits(id: str, log: Path, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "command", "command": ["sh", "-c", f"echo {id} >> {log}; sleep 600"], **more}


def document(log: Path, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    done = writes("done", log, rollback=[writes("undone", log)])
    engine = {"prefer": "prefect", "force": True}
    return {"name": f"Cancelled {uuid4()}", "engine": engine, "steps": [done, *steps], **more}


async def said(log: Path, line: str) -> None:
    """Wait until a step has written this."""
    await wait_until(lambda: log.exists() and line in log.read_text("utf-8").splitlines())


async def flow_runs(name: str) -> list[FlowRun]:
    """The flow runs that bear this name, the router's first."""
    async with get_client() as api:
        named = by.FlowRunFilter(name=by.FlowRunFilterName(any_=[name]))
        runs = await api.read_flow_runs(flow_run_filter=named)
    return sorted(runs, key=lambda run: run.parent_task_run_id is not None)


async def cancelled_below(log: Path, given: dict[str, Any], state: State[Any], below: str) -> State[Any]:
    """Start a document, put the subflow of that name into this state while it works. How the run ended."""
    running = asyncio.create_task(_routed(given))
    await said(log, "work")
    subflow = (await flow_runs(below))[-1]
    assert subflow.parent_task_run_id is not None
    async with get_client() as api:
        await api.set_flow_run_state(UUID(str(subflow.id)), state, force=state.is_cancelled())
    async with asyncio.timeout(PATIENCE):
        return await running


async def _routed(given: dict[str, Any]) -> State[Any]:
    state: State[Any] = await route_workflow(given, {}, return_state=True)
    return state


@pytest.mark.parametrize("state", [Cancelling(), Cancelled()], ids=str)
async def test_who_cancels_the_subflow_means_the_run(state: State[Any], tmp_path: Path) -> None:
    """It is where people see the steps. What was done is undone, and both flow runs end as cancelled."""
    log = tmp_path / "log"
    given = document(log, waits("work", log), writes("never", log), **{"finally": [writes("end", log)]})
    ended = await cancelled_below(log, given, state, given["name"])
    assert ended.is_cancelled()
    result = await ended.aresult(raise_on_failure=False)
    assert isinstance(result, RunResult)
    assert result.cancelled
    assert log.read_text("utf-8").split() == ["done", "work", "undone", "end"]
    assert [run.state_name for run in await flow_runs(given["name"])] == ["Cancelled", "Cancelled"]


async def test_who_cancels_the_subflow_of_a_step_ends_that_step(tmp_path: Path) -> None:
    """The document is undone; the one that runs it goes on with a step that failed."""
    log = tmp_path / "log"
    inner = document(log, waits("work", log))
    call = {"id": "call", "type": "workflow", "workflow": "inner"}
    given = {**inner, "name": "Outer", "steps": [call], "workflows": {"inner": inner}}
    ended = await cancelled_below(log, given, Cancelling(), inner["name"])
    result = await ended.aresult(raise_on_failure=False)
    assert isinstance(result, RunResult)
    assert not result.cancelled
    assert result.error_message == "step 'call' failed: inner: it was cancelled"
    assert log.read_text("utf-8").split() == ["done", "work", "undone"]
