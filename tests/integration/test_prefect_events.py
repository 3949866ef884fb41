"""Workflows that send each other Prefect's events, on a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prefect import get_client
from prefect.events import Event as SentEvent
from prefect.events import Resource
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from codegen.document import load_file, parse
from codegen.parameters import check_values
from codegen.registry import Registry
from codegen.render import flow_arguments
from codegen.result import Report, RunResult
from codegen.workflow import Workflow
from flows.event_search import Search
from flows.prefect_events import PrefectEvents
from flows.router import route_workflow
from flows.session import Session, entered, listening
from rehearsal.server import temporary_server
from steps.errors import StepFailed
from steps.event_service import Message, Wanted
from steps.testing import Recorder
from tests.golden.update import FOLDER
from tests.unit.waiting import wait_until

ID, ROLE = "prefect.resource.id", "prefect.resource.role"

pytestmark = [
    pytest.mark.timeout(900),
    # Prefect leaves connections to its server to the garbage collector when an event loop ends.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Prefect server with a database of its own; generated flows are kept apart from the user's."""
    with pytest.MonkeyPatch.context() as patch, temporary_server():
        patch.setenv("OPSCONDUCTOR_HOME", str(tmp_path_factory.mktemp("home")))
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(tmp_path_factory.mktemp("flows"))


def emits(id: str, event: str, **keys: Any) -> dict[str, Any]:
    return {"id": id, "type": "emit", "event": event, **keys}


def listens(id: str, event: Any, **keys: Any) -> dict[str, Any]:
    return {"id": id, "type": "listen", "event": event, "timeout": "1m", **keys}


def workflow(*steps: dict[str, Any], **more: Any) -> Workflow:
    return parse({"name": "Events", "steps": list(steps), **more})


async def generated(document: Workflow, registry: Registry, session: Session | None = None) -> Report:
    """A run of the generated flow, without the router."""
    flow = registry.load(registry.get_or_create(document))
    arguments = flow_arguments(document, check_values(document.parameters, {}), ())
    with entered(session or Session(str(uuid4()))) as known:
        await flow(**arguments, return_state=True)
    assert known.report is not None
    return known.report


async def routed(*steps: dict[str, Any]) -> RunResult:
    result: RunResult = await route_workflow({"name": "Events", "steps": list(steps)})
    assert result.engine_used == "prefect"
    return result


async def stored(name: str) -> dict[str, Any]:
    """The event of that name, once the server has it in its store."""
    async with get_client() as api, asyncio.timeout(120):
        while True:
            page = await api.read_events(EventFilter(event=EventNameFilter(name=[name])), limit=2)
            if page.events:
                assert len(page.events) == 1
                return page.events[0].model_dump(mode="json")
            await asyncio.sleep(0.2)


async def test_one_workflow_waits_for_the_event_of_another() -> None:
    """What the one says, the other can use; the event hangs on the run that sent it."""
    waits = listens(
        "waits",
        "test.sold.*",
        match={ID: "order.*", "team": ["red", "blue"]},
        payload={"paid": True},
        outputs={"total": "{{ result.payload.total + 1 }}", "order": "{{ result.resource['" + ID + "'] }}"},
    )
    recorder = Recorder()
    with listening(recorder):
        waiting = asyncio.create_task(routed(waits))
    await wait_until(lambda: recorder.started() == ["waits"])
    labels = {ID: "order.{{ 3 + 4 }}", "team": "red"}
    told = await routed(
        emits("others", "test.sold.no", resource=labels, payload={"paid": False, "total": 1}),
        emits("tells", "test.sold.yes", resource=labels, payload={"paid": True, "total": 41}),
    )
    heard = await waiting
    assert heard.success, heard.error_message
    assert heard.steps["waits"].outputs == {"total": 42, "order": "order.7"}
    assert heard.steps["waits"].result == told.steps["tells"].result

    event = await stored("test.sold.yes")
    related = {(one[ROLE], one[ID]) for one in event["related"]}
    assert ("flow-run", f"prefect.flow-run.{told.execution_id}") in related
    assert ("step", f"opsconductor.step.{told.execution_id}.tells") in related
    assert {"task-run", "flow"} <= {role for role, _ in related}
    async with get_client() as api:
        tasks = [one[ID].rpartition(".")[2] for one in event["related"] if one[ROLE] == "task-run"]
        assert (await api.read_task_run(UUID(tasks[0]))).name == "tells"


async def test_an_event_from_before_the_step_is_found(registry: Registry) -> None:
    """The stream isn't open yet, and perhaps the event not even stored; `since: step` leaves it out."""
    report = await generated(load_file(FOLDER / "events.yaml"), registry)
    assert report.success, report.error
    assert report.outputs == {"version": "1.4"}
    assert report.steps["fresh"].status == "failed"

    report = await generated(
        workflow(
            emits("tells", "test.early"),
            {"id": "pause", "type": "wait", "duration": "10ms"},
            listens("waits", "test.early", since="step", timeout="8s"),
        ),
        registry,
    )
    assert report.error is not None
    assert report.error.message == "no event test.early came that fits: timed out after 8s"


async def test_each_round_and_each_item_sends_its_own(registry: Registry) -> None:
    """The tries of one execution send one; nothing else counts as the same event."""
    await generated(
        workflow(
            emits("items", "test.item", payload={"n": "{{ item }}"}, for_each=[1, 2]),
            emits("rounds", "test.round", repeat={"while": "true", "max": 2}, continue_on_error=True),
            emits(
                "tries", "test.try", retry={"attempts": 2, "delay": 0}, failed_when="true", run_if="finished"
            ),
        ),
        registry,
    )
    await stored("test.try")
    async with get_client() as api:
        page = await api.read_events(
            EventFilter(event=EventNameFilter(prefix=["test.item", "test.round"])), limit=50
        )
    assert sorted(one.event for one in page.events) == ["test.item"] * 2 + ["test.round"] * 2


async def test_a_cancel_ends_the_waiting(registry: Registry) -> None:
    """Without a timeout too."""
    recorder = Recorder()
    session = Session(str(uuid4()), recorder)
    document = workflow({"id": "waits", "type": "listen", "event": "test.never"})
    waiting = asyncio.create_task(generated(document, registry, session))
    await wait_until(lambda: recorder.started() == ["waits"])
    session.cancel()
    report = await asyncio.wait_for(waiting, 120)
    assert report.steps["waits"].status == "cancelled"


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (emits("a", "test.big", payload=dict.fromkeys("abcd", "{{ 'x' * 400000 }}")), "put less"),
        (emits("a", "test.labels", resource={ID: "{{ none }}"}), "none"),
        (emits("a", "test.labels", resource={ID: "{{ '' }}"}), "must be non-empty"),
    ],
)
async def test_an_event_that_the_server_would_not_take_fails_the_step(
    step: dict[str, Any], told: str, registry: Registry
) -> None:
    """It names what is wrong with it."""
    report = await generated(workflow(step), registry)
    assert report.error is not None
    assert told in report.error.message


class Door:
    """A way to the server that can be shut."""

    def __init__(self, server: httpx.URL) -> None:
        self._server = server
        self._links: set[asyncio.Task[None]] = set()
        self.is_shut = False
        self.passed = 0

    async def pass_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.is_shut:
            writer.close()
            return
        self.passed += 1
        there, back = await asyncio.open_connection(self._server.host, self._server.port)
        ways = [asyncio.create_task(_copied(*ends)) for ends in ((reader, back), (there, writer))]
        self._links.update(ways)

    def shut(self) -> None:
        """Break every connection, and let none through."""
        self.is_shut = True
        for link in self._links:
            link.cancel()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def door(server: str) -> AsyncIterator[Door]:
    """Prefect's clients inside the block go through it."""
    made = Door(httpx.URL(server))
    listening = await asyncio.start_server(made.pass_through, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield made
    listening.close()
    made.shut()


async def test_a_connection_that_breaks_is_made_again(prefect_server: str) -> None:
    """What came meanwhile is heard, too; that it broke is told once."""
    wanted = Wanted(("test.broken",), {}, {}, {}, "run")
    message = Message("test.broken", {ID: "x"}, [], {}, "r.a")
    troubles: list[str] = []
    direct = PrefectEvents(str(uuid4()))
    async with door(prefect_server) as way:
        waiting = asyncio.create_task(PrefectEvents(str(uuid4())).first(wanted, troubles.append))
        await wait_until(lambda: way.passed >= 2)
        way.shut()
        await wait_until(lambda: bool(troubles))
        with temporary_settings({PREFECT_API_URL: prefect_server}):
            sent = await direct.emit(message)
        way.is_shut = False
        assert await asyncio.wait_for(waiting, 120) == sent
    assert len(troubles) == len({text.partition(":")[0] for text in troubles})


@pytest.mark.parametrize("way", ["in_stream", "in_store"])
async def test_each_way_finds_it_alone(way: str) -> None:
    """Behind more events than the server gives at once; what only looks like it is passed over."""
    name, since = f"test.many.{way}", datetime.now(UTC)
    wanted = Wanted((f"{name}*",), {ID: ("thing.*",), "n": ("!1*", "155")}, {}, {"n": 155}, "run")
    many = [
        SentEvent(event=name, resource=Resource({ID: "thing.x", "n": str(n)}), payload={"n": n})
        for n in range(160)
    ]
    looking = asyncio.create_task(getattr(Search(wanted, since, print), way)())
    async with get_client() as api:
        await api.request("POST", "/events", json=[one.model_dump(mode="json") for one in many])
    found = await asyncio.wait_for(looking, 120)
    assert found["payload"] == {"n": 155}
    assert found["id"] == str(many[155].id)


async def test_what_the_server_refuses_to_show_fails_the_step(prefect_server: str) -> None:
    """Waiting would not help."""
    with temporary_settings({PREFECT_API_URL: f"{prefect_server}/nowhere"}):
        search = Search(Wanted(("x",), {}, {}, {}, "run"), datetime.now(UTC), print)
        with pytest.raises(StepFailed, match="does not show its events: it answered 404"):
            await search.in_store()


async def test_a_server_that_is_away_fails_the_sending(prefect_server: str) -> None:
    """The step then knows that nobody got the event."""
    async with door(prefect_server) as way:
        way.is_shut = True
        with pytest.raises(StepFailed, match=r"'test\.away' could not be sent to Prefect"):
            await PrefectEvents(str(uuid4())).emit(Message("test.away", {ID: "x"}, [], {}, "r.a"))
