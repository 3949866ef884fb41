"""What `emit` and `listen` hand to Prefect's events, which events fit, and where they can't be had."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from codegen.capability import able
from codegen.document import parse
from codegen.errors import DocumentError, RoutingError
from codegen.routing import decide
from codegen.workflow import Workflow
from steps import emit, listen
from steps.acting import Behaviour
from steps.errors import StepFailed, StepTimedOut
from steps.event_service import Message, Wanted
from steps.interpreter import interpret
from steps.scope import Scope, Surroundings
from steps.testing import run

ID, ROLE = "prefect.resource.id", "prefect.resource.role"


class Kept:
    """Events in memory."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = list(events)
        self.sent: list[Message] = []
        self.wanted: list[Wanted] = []

    async def emit(self, message: Message) -> dict[str, Any]:
        self.sent.append(message)
        return {"event": message.event, "payload": dict(message.payload)}

    async def first(self, wanted: Wanted, tell: Callable[[str], None]) -> dict[str, Any]:
        self.wanted.append(wanted)
        found = next((event for event in self.events if wanted.fits(event)), None)
        if found is None:
            await asyncio.Event().wait()
        return found or {}


def event(
    name: str = "shop.sold", *, related: Any = (), payload: Any = None, **labels: str
) -> dict[str, Any]:
    return {
        "event": name,
        "resource": {ID: "shop.order.1", **labels},
        "related": list(related),
        "payload": payload or {},
    }


def scope(service: Kept | None, **params: Any) -> Scope:
    return Scope(Surroundings(run_id="r", name="n", params=params, events=service), "a")


def wanted(*names: str, **more: Any) -> Wanted:
    return Wanted(
        names or ("shop.sold",), **{"match": {}, "match_related": {}, "payload": {}, "since": "run"} | more
    )


RELATED = [{ID: "region.eu", ROLE: "region"}, {ID: "shelf.7", ROLE: "shelf"}]


@pytest.mark.parametrize(
    ("asked", "found", "fits"),
    [
        (wanted(), event(), True),
        (wanted("shop.sol"), event(), False),
        (wanted("shop.*"), event(), True),
        (wanted("shop.*"), event("workshop.sold"), False),
        (wanted("*"), event(), True),
        (wanted("shop.lost", "shop.sold"), event(), True),
        (wanted(match={ID: ("shop.order.1",)}), event(), True),
        (wanted(match={ID: ("shop.order.*",)}), event(), True),
        (wanted(match={ID: ("shop.order.2", "shop.order.1")}), event(), True),
        (wanted(match={ID: ("shop.order.2",)}), event(), False),
        (wanted(match={"team": ("!blue",)}), event(team="red"), True),
        (wanted(match={"team": ("!blue",)}), event(team="blue"), False),
        (wanted(match={"team": ("!bl*",)}), event(team="black"), False),
        (wanted(match={"team": ("!blue",)}), event(), False),
        (wanted(match_related={ID: ("region.*",), ROLE: ("region",)}), event(related=RELATED), True),
        (wanted(match_related={ID: ("region.*",), ROLE: ("shelf",)}), event(related=RELATED), False),
        (wanted(match_related={ID: ("region.*",)}), event(), False),
        (wanted(payload={"a": 1}), event(payload={"a": 1, "b": 2}), True),
        (wanted(payload={"a": {"b": [1]}}), event(payload={"a": {"b": [1], "c": 2}}), True),
        (wanted(payload={"a": {"b": [1]}}), event(payload={"a": {"b": [1, 2]}}), False),
        (wanted(payload={"a": {"b": 1}}), event(payload={"a": 1}), False),
        (wanted(payload={"a": None}), event(payload={"b": 1}), False),
        (wanted(payload={"a": 1}), event(payload={"a": True}), False),
        (wanted(payload={"a": "1"}), event(payload={"a": 1}), False),
    ],
)
def test_which_events_fit(asked: Wanted, found: dict[str, Any], fits: bool) -> None:
    """All that is asked for must be there; an event may have more."""
    assert asked.fits(found) is fits


async def test_emit_fills_in_what_it_is_told() -> None:
    """Labels become texts, the payload keeps its types; a text as resource is its id."""
    service = Kept()
    result = await emit(
        scope(service, n=3),
        "shop.{{ name }}",
        resource="order.{{ params.n }}",
        related=[{ID: "{{ params.n }}", ROLE: "x"}],
        payload={"n": "{{ params.n }}", "text": "n is {{ params.n }}"},
    )
    assert service.sent == [
        Message("shop.n", {ID: "order.3"}, [{ID: "3", ROLE: "x"}], {"n": 3, "text": "n is 3"}, "r.a")
    ]
    assert result.result["payload"] == {"n": 3, "text": "n is 3"}


async def test_what_is_sent_hides_secrets() -> None:
    """An event can be read by everybody who sees the server."""
    service = Kept()
    here = scope(service, output="it is hunter2hunter2")
    here.mask.add("hunter2hunter2")
    await emit(here, "x", resource="{{ params.output }}", payload={"output": "{{ params.output }}"})
    assert service.sent[0].payload == {"output": "it is ***"}
    assert service.sent[0].resource == {ID: "it is ***"}


@pytest.mark.parametrize(("name", "told"), [("prefect.flow-run.{{ 1 }}", "own"), ("{{ '' }}", "empty")])
async def test_names_that_no_event_may_have(name: str, told: str) -> None:
    """Prefect keeps its records by events of its own."""
    with pytest.raises(StepFailed, match=told):
        await emit(scope(Kept()), name)


async def test_listen_gives_the_event() -> None:
    """Names and patterns are filled in; one pattern is as good as a list of one."""
    service = Kept(event(payload={"n": 1}), event(payload={"n": 2}, team="red"))
    result = await listen(
        scope(service, team="red"),
        ["shop.lost", "shop.*"],
        match={"team": "{{ params.team }}", ID: ["shop.*", "x"]},
        payload={"n": 2},
        since="step",
        timeout=10,
    )
    assert result.result == event(payload={"n": 2}, team="red")
    asked = service.wanted[0]
    assert asked.match == {"team": ("red",), ID: ("shop.*", "x")}
    assert (asked.names, asked.since) == (("shop.lost", "shop.*"), "step")


async def test_time_that_is_up_names_the_event() -> None:
    """Whoever reads that knows what did not come."""
    with pytest.raises(StepTimedOut, match=r"^no event shop\.sold or shop\.lost came .* after 10ms$"):
        await listen(scope(Kept()), ["shop.sold", "shop.lost"], timeout=0.01)


def document(*steps: dict[str, Any], **keys: Any) -> Workflow:
    return parse({"name": "Events", "steps": list(steps), **keys})


EMITS = {"id": "tells", "type": "emit", "event": "shop.sold"}
LISTENS = {"id": "waits", "type": "listen", "event": "shop.sold", "timeout": "1s"}


@pytest.mark.parametrize("step", [EMITS, LISTENS])
async def test_elsewhere_than_in_prefect_the_step_fails(step: dict[str, Any]) -> None:
    """The router sends no such document anywhere else; whoever interprets one is told."""
    report = await interpret(document(step), run_id="r").run()
    assert report.error is not None
    assert "runs in Prefect only" in report.error.message


async def test_in_tests_of_authors_they_are_pretended() -> None:
    """As all steps that touch anything."""
    waits = LISTENS | {"outputs": {"n": "{{ result.payload.n }}"}}
    report = await run(document(EMITS, waits), leaves={"waits": Behaviour(result=event(payload={"n": 7}))})
    assert report.success
    assert report.steps["waits"].outputs == {"n": 7}


@pytest.mark.parametrize("step", [EMITS, LISTENS])
def test_the_router_picks_prefect(step: dict[str, Any]) -> None:
    """Whatever the score, and even if Celery is preferred; a force is refused with the reason."""
    told = document(step)
    assert decide(told).engine == "prefect"
    assert decide(told, engine_preference="celery").engine == "prefect"
    with pytest.raises(RoutingError, match=f"'{step['type']}' at steps\\[0\\].type: .*event system"):
        decide(told, engine_preference="celery", force_engine=True)


def test_a_document_that_runs_such_a_one_needs_prefect_too() -> None:
    """Its steps run on the same engine."""
    calls = {"id": "calls", "type": "workflow", "workflow": "other"}
    other = {"name": "Other", "steps": [EMITS]}
    assert able(document(calls, workflows={"other": other}))["celery"]


@pytest.mark.parametrize(
    ("step", "path", "told"),
    [
        (EMITS | {"event": " "}, "event", "empty"),
        (EMITS | {"event": "prefect.flow-run.Failed"}, "event", "Prefect's own"),
        (EMITS | {"resource": {"team": "red"}}, "resource", ID),
        (EMITS | {"related": [{ID: "x"}]}, "related[0]", ROLE),
        (EMITS | {"payload": {"token": "{{ secrets.token }}"}}, "payload.token", "secret"),
        (LISTENS | {"event": []}, "event", ""),
        (LISTENS | {"since": "yesterday"}, "since", ""),
        (LISTENS | {"match": {ID: []}}, "match", ""),
    ],
)
def test_what_is_no_event_is_refused(step: dict[str, Any], path: str, told: str) -> None:
    """Before anything runs, with its place."""
    with pytest.raises(DocumentError) as caught:
        document(step)
    problems = caught.value.problems
    assert any(one.path.startswith(f"steps[0].{path}") and told in str(one) for one in problems), problems
