"""A naive model of the conductor, and random graphs to compare the two on."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from hypothesis import strategies as st

from codegen.result import FINAL, StepStatus
from codegen.schedule import Node
from codegen.step import Join, RunIf

RUN_IFS: tuple[RunIf, ...] = get_args(RunIf)
JOINS: tuple[Join, ...] = ("all", "all", "any", 1, 2, 3, 4)
GOOD: dict[RunIf, frozenset[str]] = {
    "succeeded": frozenset({"succeeded", "skipped"}),
    "failed": frozenset({"failed", "blocked", "lost", "cancelled"}),
    "finished": frozenset(FINAL),
}
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
        join=rng.choice(JOINS),
        run_if=rng.choice(RUN_IFS),
        enabled=rng.random() < 0.9,
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


def may_start(node: Node, dependencies: Sequence[str]) -> str:
    """What a step of such dependencies is: `pending`, `ready`, or never to start."""
    good = sum(state in GOOD[node.run_if] for state in dependencies)
    waited_for = sum(state not in FINAL for state in dependencies)
    never = "skipped" if node.run_if == "failed" else "blocked"
    if node.join == "all" or (node.join == "any" and not dependencies):
        if waited_for:
            return "pending"
        one_is_enough = node.run_if == "failed"
        return "ready" if (good > 0 if one_is_enough else good == len(dependencies)) else never
    wanted = 1 if node.join == "any" else node.join
    if good >= wanted:
        return "ready"
    return "pending" if good + waited_for >= wanted else never


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
        started = may_start(node, [self.states[id] for id in node.after])
        return "skipped" if started == "ready" and not node.enabled else started

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
