"""What a person sees of a run in Prefect's UI beside its task runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect import flow, get_client
from prefect.client.schemas import filters as by
from prefect.exceptions import Pause
from prefect.logging import get_logger
from prefect.states import Scheduled

from control.waiting import AWAITING
from flows.endings import WAITING_IS_NO_ERROR
from flows.router import route_workflow
from rehearsal.server import temporary_server

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


async def test_the_subflow_shows_the_python_that_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does that of a document that a step runs, the first one where there are several."""
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path / "home"))
    inner = {"name": f"Inner {uuid4()}", "steps": [{"id": "a", "type": "set", "values": {"x": 1}}]}
    call = {"id": "call", "type": "workflow", "workflow": "inner", "for_each": [1, 2]}
    given: dict[str, Any] = {"name": f"Outer {uuid4()}", "steps": [call], "workflows": {"inner": inner}}
    await route_workflow(given | {"engine": {"prefer": "prefect", "force": True}})
    shown = {name: await _sources(name) for name in (str(given["name"]), str(inner["name"]))}
    [outer_source], [inner_source] = shown.values()
    assert "async def call(" in outer_source
    assert "async def a(" in inner_source


async def test_that_a_run_waits_is_no_error_in_its_log(caplog: pytest.LogCaptureFixture) -> None:
    """Prefect itself would call it one; it says so in these words."""

    @flow
    async def waits() -> None:
        get_logger("prefect.flow_runs").addFilter(WAITING_IS_NO_ERROR)
        raise Pause(state=Scheduled(name=AWAITING, message="Waits for an answer: ask"))

    with pytest.raises(Pause):
        await waits()
    levels = [one.levelname for one in caplog.records if "Finished in state Awaiting" in one.getMessage()]
    assert levels == ["INFO"]


async def _sources(name: str) -> list[str]:
    """The sources that the subflows of this name show."""
    async with get_client() as api:
        named = by.FlowRunFilter(name=by.FlowRunFilterName(any_=[name]))
        runs = await api.read_flow_runs(flow_run_filter=named)
        ids = [run.id for run in runs if run.parent_task_run_id is not None]
        below = by.FlowRunFilter(id=by.FlowRunFilterId(any_=ids))
        artifacts = await api.read_artifacts(flow_run_filter=below)
    return [str(one.data) for one in artifacts if one.key == "generated-flow"]
