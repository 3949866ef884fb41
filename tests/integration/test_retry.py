"""Having a run tried again, as Prefect's server knows it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry, Cancelled, Completed, Failed, Pending, Running

from control.again import start_key, tried_again_here, try_again
from control.errors import NotAgain
from flows.journals import Book, is_open
from flows.orphans import say_what_crashed
from flows.router import route_workflow
from rehearsal.server import temporary_server

pytestmark = [
    pytest.mark.timeout(600),
    # Prefect leaves connections to its server to the garbage collector when an event loop ends.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[None]:
    """One Prefect server with a database of its own."""
    with temporary_server():
        yield


async def ended(api: Api, *, deployed: bool = False) -> FlowRun:
    """A run of the router that failed."""
    parameters = {"workflow": "any"}
    if deployed:
        flow = await api.create_flow(route_workflow)
        deployment = await api.create_deployment(flow, "embedded")
        run = await api.create_flow_run_from_deployment(deployment, parameters=parameters)
    else:
        run = await api.create_flow_run(route_workflow, parameters=parameters)
    states: tuple[State[Any], ...] = (Running(), Failed())
    for state in states:
        await api.set_flow_run_state(run.id, state, force=True)
    return await api.read_flow_run(run.id)


async def test_what_was_asked_last_holds() -> None:
    """A try that did not begin leaves nothing behind for the next one."""
    async with get_client() as api:
        run = await ended(api)
        key, starts = start_key(run.run_count + 1), list[list[str]]()
        for start in ("b", "c", None):
            run = await try_again(api, run, start, lambda _: False)
            inputs = await api.filter_flow_run_input(run.id, key, 9, set())
            starts.append([one.value for one in inputs])
        assert starts == [["b"], ["c"], []]


async def test_one_process_at_a_time_tries_it_again() -> None:
    """While one is at it another one is refused, whatever Prefect says of the run."""
    async with get_client() as api:
        run = await ended(api)
        with pytest.raises(NotAgain, match="another try of it goes on"):
            await try_again(api, run, None, lambda _: True)
        await api.set_flow_run_state(run.id, Completed(), force=True)
        again = await try_again(api, await api.read_flow_run(run.id), None, lambda _: None)
        assert again.state is not None
        assert again.state.is_pending()


@pytest.mark.parametrize("deployed", [False, True])
async def test_only_one_of_two_on_different_machines_has_it_tried_again(deployed: bool) -> None:
    """Both saw it fail; the second is refused by the server, and what the first asked for stays."""
    async with get_client() as api:
        run = await ended(api, deployed=deployed)
        await try_again(api, run, "b", lambda _: None)
        with pytest.raises(NotAgain, match="it is already being tried again"):
            await try_again(api, run, "c", lambda _: None)
        inputs = await api.filter_flow_run_input(run.id, start_key(run.run_count + 1), 9, set())
        assert [one.value for one in inputs] == ["b"]


async def test_a_run_that_is_cancelled_meanwhile_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for another try is told."""

    async def cancelled_first(api: Api, run: FlowRun, start: str | None) -> None:
        await api.set_flow_run_state(run.id, Cancelled(), force=True)

    monkeypatch.setattr("control.again._say_from_where", cancelled_first)
    async with get_client() as api:
        run = await ended(api, deployed=True)
        with pytest.raises(NotAgain, match="it was cancelled"):
            await try_again(api, run, None, lambda _: False)
        assert (await api.read_flow_run(run.id)).state_name == "Cancelled"


@pytest.mark.parametrize("state", [AwaitingRetry(), Pending(), Running()])
async def test_one_that_a_worker_is_about_to_begin_is_not_tried_again(state: State[Any]) -> None:
    """Although no process is at it yet; one that died long before is."""
    async with get_client() as api:
        run = await ended(api, deployed=True)
        for each in (Running(), state):
            await api.set_flow_run_state(run.id, each, force=True)
        with pytest.raises(NotAgain, match="it is already being tried again"):
            await try_again(api, await api.read_flow_run(run.id), None, lambda _: False)
        old = (await api.read_flow_run(run.id)).model_copy(deep=True)
        assert old.state is not None
        old.state.timestamp -= timedelta(hours=1)
        if state.is_scheduled():
            return
        again = await try_again(api, old, None, lambda _: False)
        assert again.state is not None
        assert again.state.is_scheduled()


@pytest.mark.parametrize(
    ("start", "perhaps"), [("cpoy", "did you mean 'copy'"), ("zzz", "name one of: copy")]
)
async def test_a_wrong_name_is_refused_before_anything_starts(start: str, perhaps: str) -> None:
    """The run may have been started by a document's name: what it ran is known here."""
    ran = {"name": "x", "steps": [{"id": "copy", "type": "command", "command": "true"}]}
    async with get_client() as api:
        run = await ended(api)
        with pytest.raises(NotAgain, match=perhaps):
            await try_again(api, run, start, lambda _: False, lambda _: ran)
        assert (await api.read_flow_run(run.id)).state == run.state
        again = await try_again(api, run, "copy", lambda _: False, lambda _: ran)
        assert again.state is not None
        assert again.state.is_pending()


async def test_what_died_with_its_router_has_crashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next router tells, where it knows: not of a run that somebody is at, has a try at hand for, or that
    began elsewhere, nor of one that has ended or is another deployment's."""
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path))
    async with get_client() as api:
        flow = await api.create_flow(route_workflow)
        ours, theirs = [await api.create_deployment(flow, name) for name in ("ours", "theirs")]

        async def run(deployment: UUID, state: State[Any]) -> str:
            run = await api.create_flow_run_from_deployment(deployment, parameters={"workflow": "any"})
            await api.set_flow_run_state(run.id, state, force=True)
            return str(run.id)

        states: list[State[Any]] = [Running(), Running(), Running(), Running(), Failed()]
        dead, alive, tried, elsewhere, over = [await run(ours, state) for state in states]
        other = await run(theirs, Running())
        for known in (dead, tried, over, other):
            Book.opened(known, again=False).close()
        with Book.opened(alive, again=False), tried_again_here(tried, "tried"):
            assert await say_what_crashed(ours) == [UUID(dead)]
        found = {id: (await api.read_flow_run(UUID(id))).state_name for id in (dead, alive, elsewhere, other)}
        assert found == {dead: "Crashed", alive: "Running", elsewhere: "Running", other: "Running"}
        again = await try_again(api, await api.read_flow_run(UUID(dead)), None, is_open)
        assert again.state is not None
        assert again.state.name == "AwaitingRetry"
