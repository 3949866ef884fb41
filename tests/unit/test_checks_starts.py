"""Steps that no run can start, joins that none can meet, and what disabled steps never leave."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.checking.graph import Graph, places
from codegen.checking.order_checks import connect
from codegen.checking.starts import Starts
from codegen.document import load, warnings
from codegen.groups import Group, branches
from codegen.leaves import Fail, Stop
from codegen.reading.salvage import Lost
from codegen.result import StepStatus
from codegen.schedule import Change, Conductor, nodes_of
from codegen.suggestions import Suggestions
from codegen.workflow import Workflow
from tests.unit.documents import document, refusal, refused, step
from tests.unit.random_documents import Author, all_steps

PARAMETERS = {"p": {"type": "boolean"}}


def fails(id: str = "f", **keys: Any) -> dict[str, Any]:
    """A step that fails whenever it runs."""
    return step(id, "fail", message="no", **keys)


def free(id: str, **keys: Any) -> dict[str, Any]:
    """A step that waits for no other."""
    return step(id, depends_on=[], **keys)


TWO = {"depends_on": ["a", "f"], "join": 2}


@pytest.mark.parametrize(
    ("steps", "path", "message", "cure"),
    [
        (
            [
                free("a"),
                fails(depends_on=[], continue_on_error=True),
                step("c", depends_on=["a", "f"], join=2),
            ],
            "steps[2].join",
            'join: 2 can never be met: "f" always fails',
            'write run_if: finished, give "f" a when, or depend on other steps',
        ),
        (
            [fails(), step("c", depends_on=["f"], join="any")],
            "steps[1].join",
            'join: any can never be met: "f" always fails',
            'write run_if: finished, give "f" a when, or depend on other steps',
        ),
        (
            [fails(), fails("g", depends_on=[]), step("c", depends_on=["f", "g"], join=1)],
            "steps[2].join",
            'join: 1 can never be met: "f" always fails, "g" always fails',
            'write run_if: finished, give "f" and "g" a when, or depend on other steps',
        ),
        (
            [
                step(
                    "g",
                    "condition",
                    when="params.p",
                    then=[fails(), step("c", depends_on=["f"], join="any")],
                )
            ],
            "steps[0].then[1].join",
            'join: any can never be met: "f" always fails',
            'write run_if: finished, give "f" a when, or depend on other steps',
        ),
        (
            [
                step("g", "parallel", steps=[fails()]),
                step("c", depends_on=["f"], join="any"),
            ],
            "steps[1].join",
            'join: any can never be met: "f" always fails',
            'write run_if: finished, give "f" a when, or depend on other steps',
        ),
    ],
)
def test_a_join_that_no_run_can_meet_is_refused(steps: list[Any], path: str, message: str, cure: str) -> None:
    """With the steps that always fail."""
    problem = refusal(document(*steps, parameters=PARAMETERS))
    assert (problem.path, problem.message, problem.cure) == (path, message, cure)


@pytest.mark.parametrize(
    ("steps", "path", "message", "cure"),
    [
        (
            [step("a", enabled=False), step("c", depends_on=["a"], run_if="failed")],
            "steps[1]",
            'this step can never start: "a" is disabled, so it never fails',
            'enable "a", or write run_if: finished',
        ),
        (
            [step("a", enabled=False), step("b"), step("c", depends_on=["a"], run_if="failed", join="any")],
            "steps[2]",
            'this step can never start: "a" is disabled, so it never fails',
            'enable "a", or write run_if: finished',
        ),
        (
            [
                step("g", "sequential", enabled=False, steps=[step("a")]),
                step("c", depends_on=["a"], run_if="failed"),
            ],
            "steps[1]",
            'this step can never start: "a" is disabled, so it never fails',
            'enable "a", or write run_if: finished',
        ),
        (
            [step("a"), step("s", "stop"), step("b"), step("c"), step("d", join="any")],
            "steps[2]",
            'this step can never start: "s" ends the run',
            'give "s" a when, or take this step out',
        ),
        (
            [step("s", "stop", message="{{ params.p }}"), step("b", join="any")],
            "steps[1]",
            'this step can never start: "s" ends the run',
            'give "s" a when, or take this step out',
        ),
        (
            [step("s", "stop"), step("b", run_if="finished")],
            "steps[1]",
            'this step can never start: "s" ends the run',
            'give "s" a when, or take this step out',
        ),
        (
            [fails(continue_on_error=True), step("b"), step("c", depends_on=["b"], join="any")],
            "steps[1]",
            'this step can never start: "f" always fails',
            'give "f" a when, or write run_if: finished',
        ),
        (
            [step("g", "sequential", steps=[fails(), step("h", "sequential", steps=[step("b")])])],
            "steps[0].steps[1]",
            'this step can never start: "f" always fails',
            'give "f" a when, or write run_if: finished',
        ),
        (
            [
                *(fails(f"f{i}", depends_on=[]) for i in range(5)),
                step("b", depends_on=[f"f{i}" for i in range(5)]),
            ],
            "steps[5]",
            'this step can never start: "f0" always fails, "f1" always fails, "f2" always fails and 2 more',
            'give "f0" a when, or write run_if: finished',
        ),
        (
            [step("a", on_error={"steps": [fails(), step("b")]})],
            "steps[0].on_error.steps[1]",
            'this step can never start: "f" always fails',
            'give "f" a when, or write run_if: finished',
        ),
    ],
)
def test_a_step_that_no_run_can_start_is_warned_of(
    steps: list[Any], path: str, message: str, cure: str
) -> None:
    """Only the first of a chain; the document runs all the same."""
    (problem,) = warnings(load(document(*steps, parameters=PARAMETERS)))
    assert (problem.path, problem.message, problem.cure) == (path, message, cure)


@pytest.mark.parametrize(
    "steps",
    [
        [fails(when="params.p"), step("c", join="any")],
        [fails(for_each="[]"), step("c", join="any")],
        [step("a"), fails(run_if="failed"), step("c", join="any", depends_on=["f"])],
        [fails(enabled=False), step("c", join="any")],
        [fails(), step("c", join="any", run_if="failed")],
        [fails(), step("c", run_if="finished")],
        [fails(), step("a", depends_on=[]), step("c", join="any", depends_on=["f", "a"])],
        [fails(on_error={"steps": [step("h")], "recover": True}), step("c", join="any")],
        [step("a", enabled=False), step("c")],
        [step("a", enabled=False), step("c", run_if="finished")],
        [step("s", "stop", when="params.p"), step("c")],
        [step("s", "stop"), step("c", enabled=False)],
        [step("s", "stop"), step("c", depends_on=[])],
        [step("s", "stop", message="{{ params.p }}"), step("c", run_if="failed")],
        [step("s", "stop", failed_when="params.p"), step("c", run_if="failed")],
        [step("s", "stop", succeeded_when="params.p"), step("c", run_if="failed")],
        [step("s", "stop", outputs={"q": "{{ params.p }}"}), step("c", run_if="failed")],
        [step("s", "stop"), step("a", depends_on=[]), step("c", join="any", depends_on=["s", "a"])],
        [step("g", "condition", when="params.p", then=[fails()]), step("c", depends_on=["f"], join="any")],
        [
            step("g", "sequential", when="params.p", steps=[fails()]),
            step("c", depends_on=["f"], join="any"),
        ],
        [
            step("g", "switch", value="1", cases={"a": [step("s", "stop")]}),
            step("c", depends_on=["s"]),
        ],
    ],
)
def test_what_a_run_may_start_is_not_told_of(steps: list[Any]) -> None:
    """Whatever else is to be said of it."""
    found = warnings(load(document(*steps, parameters=PARAMETERS)))
    assert not [problem for problem in found if "never start" in problem.message]


def test_what_could_not_be_read_is_not_held_against_a_join() -> None:
    """The step may have a `when` that is mistyped."""
    steps = [{**fails(), "when": 5}, step("c", depends_on=["f"], join="any")]
    assert refusal(document(*steps)).path == "steps[0].when"
    told = refused(document({**fails(), "wen": "1"}, step("c", depends_on=["f"], join="any")))
    assert [problem.path for problem in told] == ["steps[0].wen"]


NAMES_OUTPUT = "echo {{ steps.a.outputs.q }}"


@pytest.mark.parametrize(
    ("keys", "more"),
    [
        ({"command": NAMES_OUTPUT}, {}),
        ({"command": "echo {{ steps.a.result.stdout }}"}, {}),
        ({"when": "steps.a.outputs.q > 1"}, {}),
        ({"run_if": "finished", "command": NAMES_OUTPUT}, {}),
        ({}, {"outputs": {"all": "{{ steps.a.outputs.q }}"}}),
    ],
)
def test_what_a_disabled_step_would_have_left_is_never_there(
    keys: dict[str, Any], more: dict[str, Any]
) -> None:
    """Whoever names it is told before a run fails by it."""
    steps = [step("a", enabled=False, outputs={"q": "1"}), step("b", **keys)]
    (problem,) = warnings(load(document(*steps, **more)))
    assert problem.path == (f"steps[1].{'when' if 'when' in keys else 'command'}" if keys else "outputs.all")
    assert problem.message.startswith('"a" is disabled, so steps.a.')
    assert problem.message.endswith(" will never be there")
    assert problem.cure == 'enable "a", or write default(...)'
    enabled = [{**steps[0], "enabled": True}, steps[1]]
    assert warnings(load(document(*enabled, **more))) == ()


@pytest.mark.parametrize(
    "keys",
    [
        {"command": "echo {{ steps.a.outputs.q | default('') }}"},
        {"command": "echo {{ steps.a.status }}"},
        {"command": NAMES_OUTPUT, "when": "steps.a.status == 'succeeded'"},
        {"command": "echo {{ steps.a.outputs.q if steps.a.status == 'succeeded' else 1 }}"},
        {"command": NAMES_OUTPUT, "enabled": False},
    ],
)
def test_who_asks_first_is_not_warned(keys: dict[str, Any]) -> None:
    """Nor a step that is disabled itself."""
    steps = [step("a", enabled=False, outputs={"q": "1"}), step("b", **keys), step("c", depends_on=[])]
    assert warnings(load(document(*steps))) == ()


@settings(deadline=None, max_examples=400)
@given(seed=st.integers(0, 2**32))
def test_no_run_starts_what_can_never_start(seed: int) -> None:
    """In any order, however steps end that may end in more than one way."""
    chance = random.Random(seed)
    data = Author(chance).document()
    for one in all_steps(data["steps"]):
        if one["type"] == "command" and chance.random() < 0.4:
            one |= chance.choice([fails(one["id"]), fails(one["id"]), {"type": "stop"}, {"enabled": False}])
            for key in ("command", "retry", "repeat") if one["type"] in ("fail", "stop") else ():
                one.pop(key, None)
    workflow = Workflow.model_validate(data)
    graph = Graph(places(workflow))
    assert not connect(graph, Lost(), Suggestions())
    starts = Starts(graph)
    never = {id for id, position in graph.index.items() if not starts.may_start(position)}
    for _ in range(5):
        assert not never & _started(chance, workflow)


def _started(chance: random.Random, workflow: Workflow) -> set[str]:
    """What one run starts."""
    conductor = Conductor(nodes_of(workflow.steps))
    steps = {place.node.id: place.step for place in places(workflow)}
    running: list[str] = []
    started: set[str] = set()

    def follow(changes: list[Change]) -> None:
        ready = [change.id for change in changes if change.status == "ready"]
        running.extend(ready)
        started.update(ready)

    follow(conductor.begin())
    while running:
        id = running.pop(chance.randrange(len(running)))
        one = steps[id]
        is_asked = one.when is not None or one.for_each is not None
        if isinstance(one, Group) and not (is_asked and chance.random() < 0.3):
            keys = [key for key, inner in branches(one) if inner]
            follow(conductor.open(id, None if keys == ["steps"] else chance.choice([*keys, "none"])))
            continue
        end = _end(chance, one, is_asked=is_asked)
        if isinstance(one, Stop) and end == "succeeded":
            follow(conductor.stop("skipped"))
        follow(conductor.end(id, end))
    return started


def _end(chance: random.Random, one: Any, *, is_asked: bool) -> StepStatus:
    if is_asked and chance.random() < 0.5:
        return chance.choice(["skipped", "failed"])
    if isinstance(one, Fail):
        recovers = one.on_error is not None and one.on_error.recover
        return chance.choice(["failed", "succeeded"]) if recovers else "failed"
    return "succeeded" if isinstance(one, Stop) else chance.choice(["succeeded", "failed", "skipped"])
