"""Random documents, and a slow reading of them to compare with: sets of leaf steps, nothing clever."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from hypothesis import strategies as st

from codegen.workflow import Workflow

Spec = dict[str, Any]


def step(id: str, **keys: Any) -> Spec:
    """A leaf step as plain data."""
    return {"id": id, "type": "command", "command": "true", **keys}


def workflow(steps: list[Spec], **keys: Any) -> Workflow:
    """A document of these steps."""
    return Workflow.model_validate({"name": "test", "steps": steps, **keys})


def lists_in(steps: list[Spec]) -> Iterator[list[Spec]]:
    """A step list and all those below it."""
    yield steps
    for one in steps:
        for key in ("steps", "then", "else"):
            if key in one:
                yield from lists_in(one[key])


def all_steps(steps: list[Spec]) -> list[Spec]:
    """Every step below a list, groups before what they hold."""
    return [inner for one in steps for inner in (one, *all_steps(children(one)))]


def children(one: Spec) -> list[Spec]:
    """The steps directly below a step."""
    return [inner for key in ("steps", "then", "else") for inner in one.get(key, [])]


@st.composite
def documents(draw: st.DrawFn, *, most_leaves: int = 8, crossing: bool = True) -> list[Spec]:
    """Step lists with groups, fan-out and dependencies on any step that comes earlier in the text."""
    budget, count = draw(st.integers(1, most_leaves)), iter(range(10_000))
    steps: list[Spec] = []
    while budget > 0:
        one, used = _draw_step(draw, count, budget, 0)
        steps.append(one)
        budget -= used
    if crossing:
        _draw_dependencies(draw, steps)
    return steps


def _draw_step(draw: st.DrawFn, count: Iterator[int], budget: int, depth: int) -> tuple[Spec, int]:
    kinds = ["leaf", "fan"] + (["parallel", "sequential", "condition"] if depth < 3 and budget > 1 else [])
    kind, id = draw(st.sampled_from(kinds)), f"s{next(count)}"
    if kind == "leaf":
        return step(id), 1
    if kind == "fan":
        limit = draw(st.sampled_from([{}, {"max_parallel": 1}, {"max_parallel": 2}]))
        return step(id, for_each=["item"] * draw(st.integers(1, 3)), **limit), 1
    inner: list[Spec] = []
    used = 0
    for _ in range(draw(st.integers(1, min(3, budget)))):
        if used < budget:
            one, cost = _draw_step(draw, count, budget - used, depth + 1)
            inner.append(one)
            used += cost
    if kind != "condition":
        return {"id": id, "type": kind, "steps": inner}, used
    cut = draw(st.integers(1, len(inner)))
    branches = {"then": inner[:cut]} | ({"else": inner[cut:]} if inner[cut:] else {})
    return {"id": id, "type": "condition", "when": "params.x", **branches}, used


def _draw_dependencies(draw: st.DrawFn, steps: list[Spec]) -> None:
    around = Reading(steps)
    for one in all_steps(steps):
        if draw(st.booleans()):
            allowed = around.possible_dependencies(one["id"])
            chosen = draw(st.lists(st.sampled_from(allowed), max_size=3, unique=True)) if allowed else []
            one["depends_on"] = chosen


@dataclass
class Reading:
    """What a document says about its leaf steps, read in the most literal way."""

    steps: list[Spec]
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    branches: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    after: dict[str, list[str]] = field(default_factory=dict)
    by_id: dict[str, Spec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._read(self.steps, (), (), chained=True)

    def _read(
        self,
        steps: list[Spec],
        parents: tuple[str, ...],
        taken: tuple[tuple[str, str], ...],
        *,
        chained: bool,
    ) -> None:
        for position, one in enumerate(steps):
            default = [steps[position - 1]["id"]] if chained and position else []
            id = one["id"]
            self.parents[id], self.branches[id], self.by_id[id] = parents, taken, one
            self.after[id] = one.get("depends_on", default)
            for key in ("steps", "then", "else"):
                inside = taken if key == "steps" else (*taken, (id, key))
                self._read(one.get(key, []), (*parents, id), inside, chained=one["type"] != "parallel")

    def possible_dependencies(self, id: str) -> list[str]:
        """The steps that stand earlier in the text and are not around this one."""
        ids = list(self.by_id)
        return [other for other in ids[: ids.index(id)] if other not in self.parents[id]]

    def leaves(self, id: str) -> list[str]:
        """The leaf steps of a step, itself if it is one."""
        inner = children(self.by_id[id])
        return [leaf for one in inner for leaf in self.leaves(one["id"])] if inner else [id]

    def before(self, id: str) -> set[str]:
        """The leaf steps that must have ended before a step starts."""
        found: set[str] = set()
        for other in self.after[id]:
            found |= self.before(other)
            for leaf in self.leaves(other):
                found |= {leaf} | self.before(leaf)
        return found.union(*map(self.before, self.parents[id][-1:]))

    def exclude(self, one: str, two: str) -> bool:
        """Whether two leaf steps stand in different branches of one condition."""
        taken = dict(self.branches[one])
        return any(taken.get(group, branch) != branch for group, branch in self.branches[two])

    def times(self, id: str) -> int:
        """How often a leaf step runs."""
        return len(self.by_id[id].get("for_each", [None]))

    def at_once(self, id: str) -> int:
        """How often a leaf step runs at one time."""
        limit: int = self.by_id[id].get("max_parallel", 99)
        return min(self.times(id), limit)


@st.composite
def whole_documents(draw: st.DrawFn) -> Spec:
    """Documents of the whole language: what steps can say of order, failures, rounds and fan-out.

    From a seed: a document has hundreds of choices, and drawing each would take a minute to make smaller.
    """
    return Author(Random(draw(st.integers(0, 2**32)))).document()


class Author:
    """Writes a document by chance. Its leaf steps are commands; how they end is not for it to say."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._left = rng.randint(2, 14)
        self._count = count()

    def document(self) -> Spec:
        """Main steps, and now and then what is done about their end."""
        whole: Spec = {"name": "test", "steps": self._list(0)}
        for key in ("on_failure", "finally"):
            if self._rng.random() < 0.4:
                whole[key] = self._list(2)
        return whole

    def _list(self, depth: int, *, width: int = 4) -> list[Spec]:
        steps: list[Spec] = []
        for _ in range(self._rng.randint(1, width)):
            if steps and self._left <= 0:
                break
            steps.append(self._ordered(self._step(depth), [one["id"] for one in steps]))
        return steps

    def _step(self, depth: int) -> Spec:
        self._left -= 1
        kinds = ["sequential", "parallel", "condition", "switch"] if depth < 3 and self._left > 0 else []
        kind = self._rng.choice([*kinds, "leaf", "leaf"])
        one = self._leaf() if kind == "leaf" else self._group(kind, depth)
        return one | self._ways(one, depth)

    def _leaf(self) -> Spec:
        return step(f"s{next(self._count)}")

    def _group(self, kind: str, depth: int) -> Spec:
        one: Spec = {"id": f"s{next(self._count)}", "type": kind}
        match kind:
            case "sequential":
                one["steps"] = self._list(depth + 1)
            case "parallel":
                one["steps"] = self._list(depth + 1)
                one["wait_for"] = self._rng.choice(["all", "any", self._rng.randint(1, len(one["steps"]))])
            case "condition":
                one |= {"when": self._rng.choice(["true", "false", "1 / 0 > 1"])}
                one |= {"then": self._list(depth + 1, width=2), "else": self._list(depth + 1, width=2)}
            case _:
                one |= {"value": self._rng.choice(["'a'", "'b'", "'c'", "1 / 0"])}
                one |= {"cases": {key: self._list(depth + 1, width=2) for key in "ab"}}
        return one

    def _ordered(self, one: Spec, before: list[str]) -> Spec:
        rng = self._rng
        if rng.random() < 0.4:
            one["depends_on"] = rng.sample(before, rng.randint(0, min(3, len(before))))
            if one["depends_on"]:
                one["join"] = rng.choice(["all", "any", rng.randint(1, len(one["depends_on"]))])
        if rng.random() < 0.3:
            one["run_if"] = rng.choice(["succeeded", "failed", "finished"])
        return one

    def _ways(self, one: Spec, depth: int) -> Spec:
        """What the step says besides its order, each seldom."""
        rng = self._rng
        choices: dict[str, Any] = {
            "enabled": False,
            "continue_on_error": True,
            "for_each": ["x", "y", "z"][: rng.randint(1, 3)],
            "max_parallel": rng.randint(1, 2),
            "retry": {"attempts": 2, "delay": 0},
            "repeat": {rng.choice(["until", "while"]): rng.choice(["true", "false"]), "max": 2},
        }
        if one["type"] != "condition":
            choices["when"] = rng.choice(["true", "false", "1 / 0 > 1"])
        if one["type"] != "command":
            choices["outputs"] = {"x": rng.choice(["1", "{{ 1 / 0 }}"])}
            choices["timeout"] = "1h"
        ways = {key: value for key, value in choices.items() if rng.random() < 0.1}
        if rng.random() < 0.2 and depth < 3:
            ways["on_error"] = {"steps": self._list(depth + 2, width=2), "recover": rng.random() < 0.5}
        if rng.random() < 0.3 and depth < 3:
            ways["rollback"] = self._list(3, width=2)
        return ways
