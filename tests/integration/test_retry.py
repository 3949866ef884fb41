"""Having a run tried again, as Prefect's server knows it."""

from collections.abc import Iterator
from typing import Any

import pytest
from prefect import get_client
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Completed, Failed, Running

from control.again import start_key, try_again
from control.errors import NotAgain
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


async def ended(api: Api) -> FlowRun:
    """A run of the router that failed."""
    run = await api.create_flow_run(route_workflow, parameters={"workflow": "any"})
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
