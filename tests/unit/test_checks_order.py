"""What has surely ended when a step starts: joins, groups that run their steps by themselves, any run."""

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.checking.bits import in_at_least
from codegen.checking.graph import Graph, places
from codegen.checking.order_checks import connect
from codegen.document import load
from codegen.groups import Group, case_branch
from codegen.reading.salvage import Lost
from codegen.result import FINAL
from codegen.schedule import Change, Conductor, nodes_of
from codegen.suggestions import Suggestions
from codegen.workflow import Workflow
from tests.unit.documents import document, refusal, refused, step


def free(id: str, **keys: Any) -> dict[str, Any]:
    """A step that waits for no other."""
    return step(id, depends_on=[], **keys)


def naming(id: str, **keys: Any) -> dict[str, Any]:
    """A step that names another."""
    return step("here", command=f"echo {{{{ steps.{id}.status }}}}", **keys)


@pytest.mark.parametrize(
    ("keys", "message", "cure"),
    [
        (
            {"join": 3, "depends_on": ["a", "b"]},
            "the step depends on only 2 steps",
            "write at most 2, or all",
        ),
        ({"join": 2, "depends_on": ["a", "a"]}, "the step depends on only 1 step", "write at most 1, or all"),
        ({"join": 2}, "the step depends on only 1 step", "write at most 1, or all"),
        ({"join": "any", "depends_on": []}, "the step depends on nothing", "add depends_on"),
        ({"join": 1, "depends_on": []}, "the step depends on nothing", "add depends_on"),
        ({"join": 0, "depends_on": ["a"]}, "0 is too small", "at least 1"),
        ({"join": "some", "depends_on": ["a"]}, 'expected "all" or "any" or an integer, got "some"', ""),
    ],
)
def test_a_join_that_can_never_be_reached_is_refused(keys: dict[str, Any], message: str, cure: str) -> None:
    """At the key, before anything runs."""
    problem = refusal(document(free("a"), free("b"), step("c", **keys)))
    assert problem.path == "steps[2].join"
    assert message in problem.message
    assert problem.cure == cure


@pytest.mark.parametrize("join", ["all", "any", 1, 2])
def test_a_join_that_can_be_reached_is_allowed(join: Any) -> None:
    """Of two dependencies both, one, or either."""
    load(document(free("a"), free("b"), step("c", join=join, depends_on=["a", "b"])))
    load(document(step("a"), step("b", join="all")))


def test_a_join_says_nothing_where_dependencies_can_not_be_read() -> None:
    """The mistake in them is told, and no second one."""
    assert refusal(document(step("a"), step("b", join=2, depends_on="a"))).path == "steps[1].depends_on"


def test_after_a_join_only_what_all_its_ways_share_has_ended() -> None:
    """Two of three have ended: so has what two of them wait for."""
    steps = [
        free("one"),
        free("two"),
        step("a", depends_on=["one", "two"]),
        step("b", depends_on=["one"]),
        step("c", depends_on=["two"]),
    ]
    for join, known in (("all", "one two"), (3, "one two"), (2, "one two"), (1, ""), ("any", "")):
        for name in ("one", "two"):
            text = document(*steps, naming(name, join=join, depends_on=["a", "b", "c"]))
            if name in known:
                load(text)
                continue
            problem = refusal(text)
            assert problem.message == f'this step may run before "{name}" has ended'
            assert problem.cure == f'write join: all, or depend on "{name}" and ask for it with default(...)'


def test_after_any_what_all_dependencies_wait_for_has_ended() -> None:
    """Whichever of them came first."""
    load(
        document(
            free("one"),
            step("a"),
            step("b", depends_on=["one"]),
            naming("one", join="any", depends_on=["a", "b"]),
        )
    )


def test_a_join_that_was_blocked_early_tells_less_than_one_that_waits_for_all() -> None:
    """`join: 2` of two gives up with the first that fails; what runs after it knows nothing of the second."""
    steps = [
        free("a"),
        free("b"),
        step("both", join=2, depends_on=["a", "b"], command="echo {{ steps.a.status }}"),
    ]
    late = naming("a", depends_on=["both"], run_if="finished")
    assert refusal(document(*steps, late)).message == 'this step may run before "a" has ended'
    load(document(*steps[:2], {**steps[2], "join": "all"}, late))


def test_a_step_may_name_its_own_dependencies_though_not_all_have_ended() -> None:
    """It says itself that it goes on without some; so may the steps inside it."""
    steps = [free("a"), free("b")]
    text = "{{ steps.a.result.stdout | default('') }}"
    load(document(*steps, step("c", join="any", depends_on=["a", "b"], command=f"echo {text}")))
    inner = [step("d", command=f"echo {text}")]
    load(document(*steps, step("g", "sequential", join="any", depends_on=["a", "b"], steps=inner)))
    late = step("e", depends_on=["c"], command=f"echo {text}")
    assert (
        'before "a" has ended'
        in refusal(document(*steps, step("c", join="any", depends_on=["a", "b"]), late)).message
    )


APART: list[tuple[str, dict[str, Any]]] = [
    ("on", {"on": "localhost"}),
    ("for_each", {"for_each": []}),
    ("repeat", {"repeat": {"until": "true", "max": 2}}),
    ("retry", {"retry": {"attempts": 2}}),
    ("timeout", {"timeout": 5}),
    ("outputs", {"outputs": {"o": "{{ steps.inner.status }}"}}),
    ("on_error", {"on_error": {"steps": [step("h")]}}),
    ("rollback", {"rollback": [step("u")]}),
    ("wait_for", {"type": "parallel", "wait_for": "any"}),
]


@pytest.mark.parametrize(("key", "keys"), APART)
def test_no_dependency_crosses_the_border_of_a_group_that_runs_by_itself(
    key: str, keys: dict[str, Any]
) -> None:
    """Neither in nor out; the cure is to depend on the group, or to let the group depend."""
    group = {**step("g", "sequential", steps=[step("inner")]), **keys}
    problem = refusal(document(group, step("after", depends_on=["inner"])))
    assert problem.path == "steps[1].depends_on[0]"
    assert problem.message == f'"inner" is inside "g", which runs its steps by itself because it has "{key}"'
    assert problem.cure == 'depend on "g"'
    group["steps"] = [step("inner", depends_on=["before"])]
    problem = refusal(document(free("before"), {**group, "depends_on": []}))
    assert problem.path == "steps[1].steps[0].depends_on[0]"
    assert problem.message.startswith('this step is inside "g", which runs its steps by itself')
    assert problem.cure == 'let "g" depend on "before"'


def test_dependencies_between_two_such_groups_are_those_of_the_groups() -> None:
    """And within one of them steps depend on each other as they like, also across frames."""
    one = step("g", "sequential", for_each=[1], steps=[step("a")])
    two = step("h", "sequential", retry={}, steps=[step("b", depends_on=["a"])])
    assert refusal(document(one, two)).cure == 'let "h" depend on "g"'
    frames = [
        step("f", "parallel", steps=[step("x")]),
        step("k", "parallel", depends_on=[], steps=[step("y", depends_on=["x"])]),
    ]
    load(document(step("g", "sequential", for_each=[1], steps=frames)))
    load(document(*frames))


def test_what_a_group_around_waits_for_has_ended_for_the_steps_inside() -> None:
    """The cure for what hasn't is one that can be followed: between the groups, or the group and the step."""
    inside = step("g", "sequential", depends_on=[], for_each=[1], steps=[naming("a")])
    problem = refusal(document(free("a"), inside))
    assert problem.cure == 'add depends_on: [a] to "g"'
    load(document(free("a"), {**inside, "depends_on": ["a"]}))
    group = step("g", "sequential", retry={}, steps=[step("a")])
    assert refusal(document(group, naming("a", depends_on=[]))).cure == "add depends_on: [g]"
    load(document(group, naming("a", depends_on=["g"])))


def test_what_a_group_that_did_not_run_would_have_waited_for_need_not_have_ended() -> None:
    """Its steps are skipped with it, before what they would have waited for themselves."""
    group = step("g", "parallel", depends_on=[], when="false", steps=[step("inner", depends_on=["slow"])])
    problem = refusal(document(free("slow"), group, naming("slow", depends_on=["inner"])))
    assert problem.message == 'this step may run before "slow" has ended'
    load(document(free("slow"), group, naming("slow", depends_on=["inner", "slow"])))
    load(document(free("slow"), {**group, "depends_on": ["slow"]}, naming("slow", depends_on=["inner"])))


@settings(deadline=None)
@given(sets=st.lists(st.sets(st.integers(0, 12)), max_size=9), data=st.data())
def test_what_is_in_at_least_so_many_sets(sets: list[set[int]], data: st.DataObject) -> None:
    """The counters of bits agree with counting."""
    number = data.draw(st.integers(1, 10))
    count = Counter(member for one in sets for member in one)
    expected = sum(1 << member for member, times in count.items() if times >= number)
    assert in_at_least(number, [sum(1 << member for member in one) for one in sets]) == expected


@settings(deadline=None, max_examples=400)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 14))
def test_what_surely_has_ended_has_ended_in_every_run(seed: int, size: int) -> None:
    """Whatever fails, is skipped or takes long; and circles are those that a plain search finds."""
    chance = random.Random(seed)
    workflow = Workflow.model_validate({"name": "x", "steps": _random_steps(chance, size)})
    graph = Graph(places(workflow))
    refusals = connect(graph, Lost(), Suggestions())
    on_circles = {vertex // 2 for vertex in range(2 * len(graph.steps)) if vertex in _earlier(graph, vertex)}
    told = {step for circle in graph.circles() for step in circle}
    assert told <= on_circles
    assert bool(told) == bool(on_circles)
    ended = graph.ended_before()
    assert not [step for step in ended if 2 * step in _earlier(graph, 2 * step)]
    if not refusals and not on_circles:
        for _ in range(5):
            _run(chance, workflow, graph, ended)


def _run(chance: random.Random, workflow: Workflow, graph: Graph, ended: dict[int, int]) -> None:
    """One run that ends steps in any order and any way; what is promised at each start is so."""
    conductor = Conductor(nodes_of(workflow.steps))
    running: list[str] = []

    def follow(changes: list[Change]) -> None:
        ready = [change.id for change in changes if change.status == "ready"]
        running.extend(ready)
        for id in ready:
            promised = ended[graph.index[id]]
            late = [
                place.node.id
                for position, place in enumerate(graph.steps)
                if promised >> position & 1 and conductor.status(place.node.id) not in FINAL
            ]
            assert not late, (id, late)

    follow(conductor.begin())
    while running:
        id = running.pop(chance.randrange(len(running)))
        step = graph.steps[graph.index[id]].step
        if isinstance(step, Group) and chance.random() < 0.8:
            branch = chance.choice(["then", "else"]) if step.type == "condition" else None
            follow(conductor.open(id, case_branch("a") if step.type == "switch" else branch))
        else:
            follow(conductor.end(id, chance.choice(["succeeded", "failed", "skipped"])))


def _random_steps(chance: random.Random, size: int) -> list[dict[str, Any]]:
    ids = [f"s{i}" for i in range(size)]
    steps: list[dict[str, Any]] = []
    lists = [steps]
    for name in ids:
        one = step(name)
        leaf = [step(f"{name}_leaf")]
        if chance.random() < 0.4:
            one = step(name, chance.choice(["sequential", "parallel"]), steps=leaf)
        elif chance.random() < 0.2:
            one = step(name, "condition", then=leaf, **{"else": [step(f"{name}_else")]})
        elif chance.random() < 0.1:
            one = step(name, "switch", value="1", cases={"a": leaf, "b": [step(f"{name}_b")]})
        if chance.random() < 0.6:
            one["depends_on"] = chance.sample(ids, chance.randint(0, min(4, size)))
            one["join"] = chance.choice(["all", "any", max(1, len(one["depends_on"]) - 1)])
        one["run_if"] = chance.choice(["succeeded", "finished", "finished", "failed"])
        chance.choice(lists).append(one)
        lists += [one[key] for key in ("steps", "then", "else") if key in one]
        lists += [*one.get("cases", {}).values()]
    return steps or [step("only")]


def _earlier(graph: Graph, vertex: int) -> set[int]:
    found: set[int] = set()
    todo = list(graph.before(vertex))
    while todo:
        one = todo.pop()
        if one not in found:
            found.add(one)
            todo += graph.before(one)
    return found


def test_problems_of_a_join_and_of_names_are_told_together() -> None:
    """One report for all."""
    told = refused(document(free("a"), free("b"), naming("b", join=2, depends_on=["a"])))
    assert [problem.path for problem in told] == ["steps[2].command", "steps[2].join"]
