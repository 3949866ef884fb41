"""The conductor against a naive model: a step is ready exactly when its own conditions are met."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.result import FINAL, StepStatus
from codegen.schedule import Change, Conductor, Ending, Node, counts, fate, nodes_of
from codegen.step import Join, RunIf
from codegen.workflow import Workflow
from tests.unit.conductor_model import Case, Model, cases


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

    def stop(self, status: Ending) -> None:
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
    case: Case, rng: random.Random, status: Ending
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
    assert decided(run_if, "all", dependencies) == expected


def decided(run_if: RunIf, join: Join, dependencies: Sequence[StepStatus]) -> str | None:
    """What becomes of a step of these dependencies, by what the conductor asks."""
    node = Node("s", after=tuple(f"d{i}" for i in range(len(dependencies))), join=join, run_if=run_if)
    ended = [status for status in dependencies if status in FINAL]
    return fate(node, len(ended), sum(counts(run_if, status) for status in ended))


@pytest.mark.parametrize(
    ("run_if", "join", "dependencies", "expected"),
    [
        ("succeeded", "any", ["running", "succeeded"], "ready"),
        ("succeeded", "any", ["failed", "running"], None),
        ("succeeded", "any", ["failed", "cancelled"], "blocked"),
        ("succeeded", "any", ["failed", "skipped"], "ready"),
        ("succeeded", 2, ["succeeded", "running", "running"], None),
        ("succeeded", 2, ["succeeded", "failed", "succeeded"], "ready"),
        ("succeeded", 2, ["failed", "lost", "running"], "blocked"),
        ("succeeded", 3, ["succeeded", "running"], "blocked"),
        ("failed", "any", ["failed", "running"], "ready"),
        ("failed", "any", ["succeeded", "running"], None),
        ("failed", "any", ["succeeded", "skipped"], "skipped"),
        ("failed", 2, ["failed", "running", "blocked"], "ready"),
        ("failed", 2, ["succeeded", "succeeded", "running"], "skipped"),
        ("failed", "all", ["failed", "running"], None),
        ("finished", "any", ["running", "failed"], "ready"),
        ("finished", 2, ["running", "failed", "skipped"], "ready"),
        ("finished", 2, ["running", "failed"], None),
        ("succeeded", "any", [], "ready"),
        ("finished", "any", [], "ready"),
        ("failed", "any", [], "skipped"),
        ("succeeded", "all", ["failed", "running"], None),
    ],
)
def test_join(run_if: RunIf, join: Join, dependencies: list[StepStatus], expected: str | None) -> None:
    """So many of those that `run_if` asks for, and not one more; never, once so many can't be had."""
    assert decided(run_if, join, dependencies) == expected


def test_a_join_does_not_wait_for_the_others() -> None:
    """The step starts once; that the others end changes nothing for it."""
    conductor = Conductor([Node("a"), Node("b"), Node("c", after=("a", "b"), join="any")])
    conductor.begin()
    assert conductor.end("b", "succeeded") == [Change("c", "ready")]
    assert conductor.end("a", "succeeded") == []
    assert conductor.status("c") == "running"


def test_a_join_that_is_met_before_its_group_opens_waits_for_the_group() -> None:
    """Of a dependency on a step outside of the group that ended long ago."""
    nodes = [
        Node("early"),
        Node("late"),
        Node("group", after=("late",), is_group=True),
        Node("a", after=("early", "late"), join="any", parent="group"),
    ]
    conductor = Conductor(nodes)
    conductor.begin()
    assert conductor.end("early", "succeeded") == []
    assert conductor.end("late", "succeeded") == [Change("group", "ready")]
    assert conductor.open("group") == [Change("a", "ready")]


def test_a_disabled_step_is_skipped_when_it_would_have_been_ready() -> None:
    """Not sooner: those after it keep their place; blocked where its dependencies block it."""
    nodes = [Node("a"), Node("off", after=("a",), enabled=False), Node("b", after=("off",))]
    conductor = Conductor(nodes)
    assert conductor.begin() == [Change("a", "ready")]
    assert conductor.end("a", "succeeded") == [Change("off", "skipped"), Change("b", "ready")]
    conductor = Conductor(nodes)
    conductor.begin()
    assert conductor.end("a", "failed") == [Change("off", "blocked"), Change("b", "blocked")]


def test_a_disabled_group_skips_its_steps() -> None:
    """It is never opened."""
    conductor = Conductor([Node("group", is_group=True, enabled=False), Node("a", parent="group")])
    assert conductor.begin() == [Change("group", "skipped"), Change("a", "skipped")]
    assert conductor.outcome == "succeeded"


@pytest.mark.parametrize(
    ("statuses", "enough", "expected"),
    [
        (["pending", "pending"], 1, None),
        (["succeeded", "pending"], 1, "succeeded"),
        (["succeeded", "pending"], 2, None),
        (["failed", "pending"], 1, None),
        (["failed", "pending"], 2, "failed"),
        (["failed", "failed"], 1, "failed"),
        (["succeeded", "skipped", "skipped"], 2, "succeeded"),
        (["failed", "skipped"], 1, "failed"),
        (["failed", "succeeded", "skipped"], 2, "failed"),
        (["skipped", "skipped"], 1, "succeeded"),
        (["skipped", "pending"], 1, None),
        (["cancelled", "succeeded"], 1, "succeeded"),
        (["blocked", "failed"], 1, "failed"),
    ],
)
def test_a_race(statuses: list[StepStatus], enough: int, expected: str | None) -> None:
    """Won by so many successes, lost when they can't come any more; who is skipped takes no part."""
    conductor = Conductor(
        Node(f"s{n}", tolerated=True, enabled=status != "skipped") for n, status in enumerate(statuses)
    )
    conductor.begin()
    for n, status in enumerate(statuses):
        if status not in ("pending", "skipped"):
            conductor.end(f"s{n}", status)
    assert conductor.race(enough) == expected


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
