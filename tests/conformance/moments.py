"""The order in which steps start, as far as it is promised: by moments, and in one by dependencies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, groupby, takewhile

from codegen.groups import Step, branches
from codegen.leaves import SubWorkflow
from codegen.lists import every_step
from codegen.schedule import Node, nodes_of
from codegen.sub_workflows import Library
from codegen.workflow import Workflow
from rehearsal.course import Course

_UNDOING = "(undoing)"
Moment = tuple[float, list[str]]


def moments(course: Course) -> list[Moment]:
    """The labels of all starts, by the moments of the run's clock."""
    told = zip(course.events, course.moments, strict=True)
    starts = [(round(moment, 6), event.label) for event, moment in told if event.kind == "started"]
    return [(at, [label for _, label in same]) for at, same in groupby(starts, key=lambda start: start[0])]


def differing(workflow: Workflow, one: Course, other: Course) -> Iterator[str]:
    """What differs in the starts of two courses of a workflow."""
    waits = Waits(workflow)
    for (at, here), (then, there) in zip(moments(one), moments(other), strict=False):
        if at != then or sorted(here) != sorted(there):
            yield f"starts at {at}\n  celery:  {here}\n  prefect: {there} at {then}"
            return
        for first, second in combinations(dict.fromkeys(here), 2):
            if waits.between(first, second) and _only(here, first, second) != _only(there, first, second):
                yield f"order at {at}: {first}, {second}\n  celery:  {here}\n  prefect: {there}"
    if len(moments(one)) != len(moments(other)):
        yield f"moments of starts\n  celery:  {moments(one)}\n  prefect: {moments(other)}"


def _only(labels: Iterable[str], *chosen: str) -> list[str]:
    return [label for label in labels if label in chosen]


@dataclass(slots=True)
class Waits:
    """Which steps of a document wait for which others."""

    workflow: Workflow
    library: Library | None = None
    _parents: dict[str, str] = field(default_factory=dict)
    _before: dict[str, set[str]] = field(default_factory=dict)
    _widths: dict[str, int] = field(default_factory=dict)
    _inner: dict[str, Waits] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.library is None:
            self.library = Library(self.workflow.workflows)
        self._add(self.workflow.steps, "(main)", set())
        self._add(self.workflow.on_failure, "(on_failure)", set())
        self._add(self.workflow.finally_, "(finally)", set())
        phases = ["(main)", _UNDOING, "(on_failure)", "(finally)"]
        self._before |= {phase: set(phases[:place]) for place, phase in enumerate(phases)}

    def between(self, one: str, other: str) -> bool:
        """Whether of two executions, by their labels, one waits for the other."""
        mine, its = one.split("/", 1), other.split("/", 1)
        if mine[0] == its[0]:
            return len(mine) == len(its) == 2 and self._of(mine[0]).between(mine[1], its[1])
        (id, place), (other_id, other_place) = _parted(mine[0]), _parted(its[0])
        if id == other_id:
            return False
        chain, other_chain = self._around(f"{id}!"), self._around(f"{other_id}!")
        common = [node for node in chain if node in other_chain]
        depth = sum(self._widths.get(node, 0) for node in common)
        if place[:depth] != other_place[:depth]:
            return False
        return not self._all_before(chain).isdisjoint(other_chain) or not self._all_before(
            other_chain
        ).isdisjoint(chain)

    def _add(self, steps: Sequence[Step], parent: str, first: set[str]) -> None:
        """Steps of a list, each as a frame: in it the step itself (`id!`), and after that its handlers."""
        nodes = {node.id: node for node in nodes_of(steps)}
        for step in steps:
            self._add_step(step, nodes, parent, first)

    def _add_step(self, step: Step, nodes: Mapping[str, Node], parent: str, first: set[str]) -> None:
        own = f"{step.id}!"
        self._parents |= {step.id: parent, own: step.id}
        self._before[step.id] = {*nodes[step.id].after, *first}
        self._widths[step.id] = (step.on is not None) + (step.for_each is not None)
        if step.on_error is not None:
            self._add(step.on_error.steps, step.id, {own})
        if step.rollback:
            undo = f"{step.id}-undo"
            self._parents[undo] = _UNDOING
            self._widths[undo] = sum(self._widths.get(node, 0) for node in self._around(step.id))
            self._add(step.rollback, undo, set())
        for _, inner in branches(step):
            for one in inner:
                self._add_step(one, nodes, own, set())

    def _around(self, node: str) -> list[str]:
        chain = [node]
        while chain[-1] in self._parents:
            chain.append(self._parents[chain[-1]])
        return chain

    def _all_before(self, chain: Iterable[str]) -> set[str]:
        found: set[str] = set()
        todo = [earlier for node in chain for earlier in self._before.get(node, ())]
        while todo:
            node = todo.pop()
            if node not in found:
                found.add(node)
                todo += [earlier for one in self._around(node) for earlier in self._before.get(one, ())]
        return found

    def _of(self, label: str) -> Waits:
        """Those of the document that a step runs."""
        id = _parted(label)[0]
        if id not in self._inner:
            step = next(step for _, step in every_step(self.workflow) if step.id == id)
            assert isinstance(step, SubWorkflow)
            assert self.library is not None
            known = self.library.find(step.workflow)
            assert known is not None
            self._inner[id] = Waits(*known)
        return self._inner[id]


def _parted(label: str) -> tuple[str, list[str]]:
    """The step's id, and a word for each of the fan-outs that the execution is one of."""
    id = "".join(takewhile(lambda letter: letter != " ", label))
    return id, re.findall(r"on \S+?(?=[ \[]|$)|\[\d+\]", label.removeprefix(id))
