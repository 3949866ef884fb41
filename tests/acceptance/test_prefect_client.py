"""`PrefectClient` against a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect import flow, get_client
from prefect.client.schemas.objects import State
from prefect.settings import temporary_settings
from prefect.states import Completed, Running, Scheduled

from control.client import PrefectClient
from control.errors import NotDeployed, PrefectUnreachable, RunAmbiguous, RunRefused, RunUnknown
from control.run_tree import PAGE
from control.runs import RunLog
from tests.acceptance.stack import Stack, free_port

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("stack")]

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@flow
def nothing() -> None:
    """A flow for runs that only exist."""


@pytest.fixture
def server(stack: Stack) -> Iterator[str]:
    """Prefect's settings point at the installation."""
    with temporary_settings({"api.url": stack.api}):
        yield stack.api


@pytest.fixture
async def client(server: str) -> AsyncIterator[PrefectClient]:
    """The client under test."""
    async with PrefectClient() as client:
        yield client


async def a_run(name: str, state: State[None] | None = None) -> str:
    """A flow run of this name in this state."""
    async with get_client() as api:
        run = await api.create_flow_run(nothing, name=name, state=state or Running())
    return str(run.id)


async def test_the_latest_run_of_a_name(client: PrefectClient) -> None:
    """By name the latest is found; with `unfinished` the one that hasn't ended, whichever came last."""
    name = f"named {uuid4()}"
    first = await a_run(name)
    second = await a_run(name, Completed())
    assert (await client.find(name)).id in (first, second)
    assert (await client.find(name, unfinished=True)).id == first
    assert (await client.find(first)).id == first


async def test_a_run_has_its_name_before_it_begins(client: PrefectClient) -> None:
    """So what was just started is meant, and not an older run of that name; nobody serves this one."""
    name = f"named {uuid4()}"
    await a_run(name, Completed())
    async with get_client() as api:
        flow_id = await api.create_flow(nothing)
        await api.create_deployment(flow_id, name, enforce_parameter_schema=False)
    started = await client.start({}, [f"nothing/{name}"], name=name)
    assert (started.name, (await client.find(name)).id) == (name, started.id)
    await client.cancel(started.id)


async def test_a_name_that_may_mean_several(client: PrefectClient) -> None:
    """Two unfinished runs of a name can't be told apart; the error names both."""
    name = f"twice {uuid4()}"
    runs = {await a_run(name), await a_run(name)}
    with pytest.raises(RunAmbiguous) as caught:
        await client.find(name, unfinished=True)
    assert set(caught.value.candidates) == runs


async def test_the_beginning_of_an_id(client: PrefectClient) -> None:
    """As much of an id as is needed; capital letters too."""
    run = await a_run(f"prefix {uuid4()}")
    assert (await client.find(run[:30].upper())).id == run
    # Of 17 ids at least two begin with the same of 16 digits.
    digits = [(await a_run(f"prefix {uuid4()}"))[0] for _ in range(17)]
    twice = next(digit for digit in digits if digits.count(digit) > 1)
    with pytest.raises(RunAmbiguous, match=twice):
        await client.find(twice)


@pytest.mark.parametrize("reference", [UNKNOWN, "zzz", "", "%", "no such run"])
async def test_an_unknown_run(reference: str, client: PrefectClient) -> None:
    """Nothing is found by what nothing is called."""
    with pytest.raises(RunUnknown):
        await client.find(reference)


async def test_an_unknown_id(client: PrefectClient) -> None:
    """Every method says so."""
    for method in (client.state, client.cancel, client.follow, client.logs):
        with pytest.raises(RunUnknown):
            await method(UNKNOWN)
        with pytest.raises(RunUnknown):
            await method("no id")


async def test_a_run_that_has_not_begun_is_cancelled_at_once(client: PrefectClient) -> None:
    """A scheduled run has nothing to stop; one that has ended stays as it is."""
    run = await a_run(f"scheduled {uuid4()}", Scheduled())
    assert (await client.cancel(run)).state == "CANCELLED"
    done = await a_run(f"done {uuid4()}", Completed())
    assert (await client.cancel(done)).state == "COMPLETED"


async def test_a_run_that_nobody_ends(client: PrefectClient) -> None:
    """After the patience is over the state is told as it is."""
    status = await client.cancel(await a_run(f"stuck {uuid4()}"), patience=0)
    assert (status.state, status.is_final) == ("CANCELLING", False)


async def test_a_deployment_that_is_not_there(client: PrefectClient) -> None:
    """The message says how to make it."""
    with pytest.raises(NotDeployed, match="prefect deploy"):
        await client.start({}, deployments=["no-flow/no-deployment"])


@pytest.mark.parametrize(
    "parameters",
    [{"workflow": "x" * 5_000_000}, {"workflow": 3}, {"workflow": "x", "engine_preference": "both"}],
)
async def test_parameters_that_are_refused(parameters: dict[str, object], client: PrefectClient) -> None:
    """What doesn't fit the router's parameters never becomes a run."""
    with pytest.raises(RunRefused) as caught:
        await client.start(parameters)
    assert len(str(caught.value)) < 700


async def test_log_lines_beyond_a_page(client: PrefectClient) -> None:
    """All pages are read, each line once, in the order of time; `follow` gives the same."""
    run = await a_run(f"long log {uuid4()}", Completed())
    await _write_log(run, 2 * PAGE + 7)
    lines = await client.logs(run)
    assert [line.message for line in lines] == [str(number) for number in range(2 * PAGE + 7)]
    followed: list[RunLog] = []
    status = await client.follow(run, followed.append)
    assert (status.state, followed) == ("COMPLETED", lines)


async def test_follow_waits_for_the_end(client: PrefectClient) -> None:
    """Lines come while the run goes on, and those of its last batch after it."""
    run = await a_run(f"followed {uuid4()}")
    seen: list[str] = []
    first = asyncio.Event()

    def hear(line: RunLog) -> None:
        seen.append(line.message)
        first.set()

    following = asyncio.create_task(client.follow(run, hear))
    await _write_log(run, 1)
    await first.wait()
    assert not following.done()
    async with get_client() as api:
        await api.set_flow_run_state(run, Completed(), force=True)
    await _write_log(run, 3)
    assert (await following).state == "COMPLETED"
    assert sorted(seen) == ["0", "0", "1", "2"]


async def test_has_block(client: PrefectClient) -> None:
    """A block that nobody made isn't there."""
    assert not await client.has_block("celery-broker", f"none-{uuid4()}")
    assert not await client.has_block("no-such-type", "default")


async def test_no_server() -> None:
    """An address where nothing listens is said to be so, without its password."""
    url = f"http://user:s3cret@127.0.0.1:{free_port()}/api"
    with temporary_settings({"api.url": url}), pytest.raises(PrefectUnreachable) as caught:
        async with PrefectClient() as client:
            await client.find("x")
    assert "127.0.0.1" in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_no_address() -> None:
    """Without an address nothing is started secretly."""
    with temporary_settings(restore_defaults={"api.url"}), pytest.raises(PrefectUnreachable, match="up"):
        async with PrefectClient():
            pass


async def _write_log(run: str, lines: int) -> None:
    begin = datetime.now(UTC)
    async with get_client() as api:
        for start in range(0, lines, 100):
            await api.create_logs(
                {
                    "name": "test",
                    "level": 20,
                    "message": str(number),
                    "timestamp": (begin + timedelta(milliseconds=number)).isoformat(),
                    "flow_run_id": run,
                }
                for number in range(start, min(start + 100, lines))
            )
