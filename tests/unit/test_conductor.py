"""The conductor against a naive model: a step is ready exactly when its own conditions are met."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.result import FINAL, StepStatus
from codegen.schedule import Change, Conductor, Node, Outcome, may_start, nodes_of
from codegen.step import RunIf
from codegen.workflow import Workflow

RUN_IFS: tuple[RunIf, ...] = get_args(RunIf)
LEAF_ENDS: tuple[StepStatus, ...] = ("succeeded", "failed", "skipped", "lost", "cancelled")
GROUP_DECISIONS = ("open", "open then", "open else", "skipped", "failed")


@dataclass(frozen=True)
class Case:
    """A graph, and what happens when each of its steps gets its turn."""

    nodes: tuple[Node, ...]
    decisions: dict[str, str]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Trees of groups whose steps depend on any step that can have ended before them, in any list order."""
    rng = draw(st.randoms(use_true_random=False))
    size = draw(st.integers(1, 14))
    nodes: list[Node] = []
    for index in range(size):
        nodes.append(_node(rng, index, nodes))
    decisions = {node.id: rng.choice(GROUP_DECISIONS if node.is_group else LEAF_ENDS) for node in nodes}
    decisions = {
        node.id: ("open" if rng.random() < 0.6 else decisions[node.id])
        if node.is_group
        else ("succeeded" if rng.random() < 0.4 else decisions[node.id])
        for node in nodes
    }
    return Case(tuple(_shuffled(rng, nodes)), decisions)


def _node(rng: random.Random, index: int, earlier: list[Node]) -> Node:
    """The next node in document order: inside the last group that is still open, or outside of it."""
    parent = None
    if earlier:
        last = earlier[-1]
        open_groups = [*_ancestors(last, earlier), *([last.id] if last.is_group else [])]
        parent = rng.choice([None, *open_groups, *open_groups])
    ancestors = {parent, *_ancestors(Node("", parent=parent), earlier)}
    candidates = [node.id for node in earlier if node.id not in ancestors]
    return Node(
        id=f"s{index}",
        after=tuple(rng.sample(candidates, min(len(candidates), rng.choice((0, 1, 1, 2, 3))))),
        run_if=rng.choice(RUN_IFS),
        parent=parent,
        branch=rng.choice((None, None, "then", "else")) if parent else None,
        is_group=rng.random() < 0.4,
        tolerated=rng.random() < 0.3,
    )


def _ancestors(node: Node, nodes: list[Node]) -> list[str]:
    by_id = {other.id: other for other in nodes}
    found = []
    while node.parent is not None:
        found.append(node.parent)
        node = by_id[node.parent]
    return found


def _shuffled(rng: random.Random, nodes: list[Node], parent: str | None = None) -> Iterator[Node]:
    """Parents before children, siblings in any order: a list need not be topological."""
    siblings = [node for node in nodes if node.parent == parent]
    rng.shuffle(siblings)
    for node in siblings:
        yield node
        yield from _shuffled(rng, nodes, node.id)


class Model:
    """What the states must be by now, worked out again and again from nothing until nothing changes."""

    def __init__(self, case: Case, had_their_turn: set[str]) -> None:
        self.nodes = {node.id: node for node in case.nodes}
        self.decisions = case.decisions
        self.turns = had_their_turn
        self.states: dict[str, str] = dict.fromkeys(self.nodes, "pending")
        while self._round():
            pass

    def _round(self) -> bool:
        before = dict(self.states)
        for node in self.nodes.values():
            if self.states[node.id] not in FINAL:
                self.states[node.id] = self._state(node)
        return self.states != before

    def _state(self, node: Node) -> str:
        if self.states[node.id] == "pending":
            return self._entry(node)
        if node.id not in self.turns:
            return "ready"
        if not node.is_group:
            return self.decisions[node.id]
        if not self.decisions[node.id].startswith("open"):
            return self.decisions[node.id]
        children = [child for child in self.nodes.values() if child.parent == node.id]
        if any(self.states[child.id] not in FINAL for child in children):
            return "opened"
        return self.verdict(children)

    def _entry(self, node: Node) -> str:
        if node.parent is not None:
            parent = self.states[node.parent]
            if parent in ("skipped", "cancelled", "blocked", "failed"):
                return parent if parent in ("skipped", "cancelled") else "blocked"
            if parent != "opened":
                return "pending"
            if node.branch != (self.decisions[node.parent].partition(" ")[2] or None):
                return "skipped"
        dependencies = [self.states[id] for id in node.after]
        if any(state not in FINAL for state in dependencies):
            return "pending"
        bad = [state for state in dependencies if state in ("failed", "blocked", "lost", "cancelled")]
        verdicts = {
            "succeeded": "blocked" if bad else "ready",
            "failed": "ready" if bad else "skipped",
            "finished": "ready",
        }
        return verdicts[node.run_if]

    def verdict(self, children: list[Node]) -> str:
        states = [self.states[child.id] for child in children]
        counting = [
            state
            for state, child in zip(states, children, strict=True)
            if not (child.tolerated and state == "failed")
        ]
        if {"failed", "blocked", "lost"} & set(counting):
            return "failed"
        return "cancelled" if "cancelled" in counting else "succeeded"


class Play:
    """Plays a case on a conductor, one turn after the other, and compares after each."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.conductor = Conductor(case.nodes)
        self.told: dict[str, list[str]] = {node.id: [] for node in case.nodes}
        self.ready: list[str] = []
        self.turns: set[str] = set()
        self._hear(self.conductor.begin())

    def turn(self, step: str) -> None:
        """A ready step gets its turn."""
        self.ready.remove(step)
        self.turns.add(step)
        decision = self.case.decisions[step]
        if decision.startswith("open"):
            self._hear(self.conductor.open(step, decision.partition(" ")[2] or None))
        else:
            self.told[step].append(decision)
            self._hear(self.conductor.end(step, decision))  # type: ignore[arg-type]

    def stop(self, status: Outcome) -> None:
        """Nothing more may start."""
        self._hear(self.conductor.stop(status))

    def _hear(self, changes: list[Change]) -> None:
        for change in changes:
            self.told[change.id].append(change.status)
            if change.status == "ready":
                self.ready.append(change.id)

    def states(self) -> dict[str, str]:
        """What the conductor's changes add up to."""
        states = {id: (told[-1] if told else "pending") for id, told in self.told.items()}
        return {
            id: "opened" if state == "ready" and id in self.turns else state for id, state in states.items()
        }


@given(cases(), st.randoms(use_true_random=False))
def test_each_step_is_ready_exactly_when_its_own_conditions_are_met(case: Case, rng: random.Random) -> None:
    """After every turn, in any order of turns, all states are those of the model."""
    play = Play(case)
    assert play.states() == Model(case, play.turns).states
    while play.ready:
        play.turn(rng.choice(play.ready))
        assert play.states() == Model(case, play.turns).states


@given(cases(), st.randoms(use_true_random=False))
def test_everything_ends_once(case: Case, rng: random.Random) -> None:
    """No deadlock, no step twice: each is told ready at most once and one final state, in that order."""
    play = Play(case)
    while play.ready:
        play.turn(rng.choice(play.ready))
    for told in play.told.values():
        assert told[-1] in FINAL
        assert told[:-1] in ([], ["ready"])
    assert {id: play.conductor.status(id) for id in play.told} == play.states()


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_turns_changes_no_outcome(case: Case, rng: random.Random) -> None:
    """How fast the steps are does not matter for what becomes of them."""
    first, second = Play(case), Play(case)
    while first.ready:
        first.turn(first.ready[0])
    while second.ready:
        second.turn(rng.choice(second.ready))
    assert first.states() == second.states()
    assert first.conductor.outcome == second.conductor.outcome


@given(cases(), st.randoms(use_true_random=False))
def test_the_outcome_is_that_of_the_top_level_steps(case: Case, rng: random.Random) -> None:
    """The whole list ends as a group of its top level would."""
    play = Play(case)
    while play.ready:
        play.turn(rng.choice(play.ready))
    top = [node for node in case.nodes if node.parent is None]
    assert play.conductor.outcome == Model(case, play.turns).verdict(top)


@given(cases(), st.randoms(use_true_random=False), st.sampled_from(["skipped", "cancelled"]))
def test_after_a_stop_nothing_starts_and_everything_ends(
    case: Case, rng: random.Random, status: Outcome
) -> None:
    """What had not started ends at once with the given status, what was ready still ends its own way."""
    play = Play(case)
    for _ in range(rng.randrange(len(case.nodes) + 1)):
        if play.ready:
            play.turn(rng.choice(play.ready))
    before, ready = play.states(), set(play.ready)
    play.stop(status)
    assert set(play.ready) == ready
    assert {play.states()[id] for id in ready} <= {"ready"}
    waiting = {id for id, state in before.items() if state == "pending"}
    assert {play.states()[id] for id in waiting} <= {status}
    while play.ready:
        play.turn(rng.choice(play.ready))
    assert set(play.states().values()) <= FINAL


@pytest.mark.parametrize(
    ("run_if", "dependencies", "expected"),
    [
        ("succeeded", [], "ready"),
        ("succeeded", ["succeeded", "skipped"], "ready"),
        ("succeeded", ["succeeded", "failed"], "blocked"),
        ("succeeded", ["blocked"], "blocked"),
        ("succeeded", ["lost"], "blocked"),
        ("succeeded", ["cancelled"], "blocked"),
        ("failed", [], "skipped"),
        ("failed", ["succeeded", "skipped"], "skipped"),
        ("failed", ["succeeded", "failed"], "ready"),
        ("failed", ["blocked"], "ready"),
        ("failed", ["lost"], "ready"),
        ("failed", ["cancelled"], "ready"),
        ("finished", [], "ready"),
        ("finished", ["failed", "blocked", "lost", "cancelled"], "ready"),
    ],
)
def test_run_if(run_if: RunIf, dependencies: list[StepStatus], expected: str) -> None:
    """`succeeded` wants all satisfied, `failed` wants one that is not, `finished` only their end."""
    assert may_start(run_if, dependencies) == expected


def test_a_tolerated_failure_is_a_failure_for_run_if_only() -> None:
    """Its dependents see it as failed; the group and the whole list don't."""
    conductor = Conductor(
        [
            Node("group", is_group=True),
            Node("a", parent="group", tolerated=True),
            Node("rescue", after=("a",), parent="group", run_if="failed"),
        ]
    )
    conductor.begin()
    conductor.open("group")
    assert conductor.end("a", "failed") == [Change("rescue", "ready")]
    assert conductor.end("rescue", "succeeded") == [Change("group", "succeeded")]
    assert conductor.outcome == "succeeded"


@pytest.mark.parametrize(
    ("ended_as", "children_become"),
    [("skipped", "skipped"), ("cancelled", "cancelled"), ("failed", "blocked")],
)
def test_a_group_that_is_not_opened_decides_for_its_steps(ended_as: StepStatus, children_become: str) -> None:
    """Skipped and cancelled pass on; the steps of a group whose condition failed are blocked."""
    conductor = Conductor([Node("group", is_group=True), Node("a", parent="group")])
    conductor.begin()
    assert conductor.end("group", ended_as) == [Change("a", children_become)]  # type: ignore[arg-type]


def test_a_blocked_group_blocks_its_steps() -> None:
    """All the way down."""
    conductor = Conductor(
        [
            Node("a"),
            Node("outer", after=("a",), is_group=True),
            Node("inner", parent="outer", is_group=True),
            Node("b", parent="inner"),
        ]
    )
    conductor.begin()
    changes = conductor.end("a", "failed")
    assert changes == [Change(id, "blocked") for id in ("outer", "inner", "b")]


@pytest.mark.parametrize("status", ["pending", "running"])
def test_a_step_ends_only_in_a_final_state(status: StepStatus) -> None:
    """Anything else is a mistake of the caller and is said."""
    conductor = Conductor([Node("a")])
    conductor.begin()
    with pytest.raises(ValueError, match=f"step 'a' is running; it can't end as {status}"):
        conductor.end("a", status)


def test_a_step_ends_only_once() -> None:
    """The second end is a mistake of the caller and is said."""
    conductor = Conductor([Node("a")])
    conductor.begin()
    conductor.end("a", "succeeded")
    with pytest.raises(ValueError, match="step 'a' is succeeded; it can't end as failed"):
        conductor.end("a", "failed")


@pytest.mark.parametrize("length", [5_000])
def test_a_long_chain_needs_no_deep_stack(length: int) -> None:
    """Blocking 5,000 steps one through the other is a loop, not a recursion."""
    chain = [Node("s0"), *(Node(f"s{i}", after=(f"s{i - 1}",)) for i in range(1, length))]
    conductor = Conductor(chain)
    conductor.begin()
    assert len(conductor.end("s0", "failed")) == length - 1


def test_the_list_order_means_nothing_to_the_conductor() -> None:
    """A step may depend on one that is written further down."""
    conductor = Conductor([Node("second", after=("first",)), Node("first")])
    assert conductor.begin() == [Change("first", "ready")]
    assert conductor.end("first", "succeeded") == [Change("second", "ready")]


def test_left_out_depends_on_means_the_sibling_before() -> None:
    """In a list and in a sequential group; side by side in a parallel one; an empty list starts at once."""

    def step(id: str, **more: object) -> dict[str, object]:
        return {"id": id, "type": "wait", "duration": 0, **more}

    workflow = Workflow.model_validate(
        {
            "name": "n",
            "steps": [
                step("a"),
                {"id": "p", "type": "parallel", "steps": [step("b"), step("c", depends_on=["b"])]},
                {"id": "s", "type": "sequential", "steps": [step("d"), step("e"), step("f", depends_on=[])]},
                {
                    "id": "k",
                    "type": "condition",
                    "when": "true",
                    "then": [step("g"), step("h")],
                    "else": [step("i")],
                },
            ],
        }
    )
    nodes = {node.id: node for node in nodes_of(workflow.steps)}
    assert {id: node.after for id, node in nodes.items()} == {
        "a": (), "p": ("a",), "b": (), "c": ("b",), "s": ("p",), "d": (), "e": ("d",), "f": (),
        "k": ("s",), "g": (), "h": ("g",), "i": (),
    }  # fmt: skip
    assert nodes["i"] == replace(nodes["g"], id="i", branch="else")
    assert [nodes[id].is_group for id in ("a", "p", "s", "k", "b")] == [False, True, True, True, False]
