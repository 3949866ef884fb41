"""The order that a document's dependencies make: what comes before what, and where they go in a circle.

A step has two vertices, its start and its end; a group starts before its children and ends after them, and
the steps that deal with what a step did start after its end.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codegen.checking.bits import in_at_least
from codegen.checking.circles import circle_of, knots
from codegen.groups import Step, walk
from codegen.schedule import Node, nodes_of
from codegen.workflow import Workflow, sections


@dataclass(frozen=True, slots=True)
class Place:
    """A step where it stands: its path, the list of steps it belongs to, and its order in that list.

    `owner` is the step whose handlers or undo the list is.
    """

    path: str
    section: str
    step: Step
    node: Node
    owner: str | None = None

    @property
    def root(self) -> str:
        """Which of the document's own lists it belongs to in the end: `steps`, `on_failure`, `finally`."""
        return self.section.partition("[")[0]

    @property
    def is_undo(self) -> bool:
        """Whether its list undoes a step."""
        return self.section.endswith(".rollback")


def places(workflow: Workflow) -> list[Place]:
    """Every step of a document, handler steps too, parents before children."""
    return [place for section, steps in sections(workflow) for place in _places(section, steps)]


def _places(section: str, steps: tuple[Step, ...], owner: str | None = None) -> Iterator[Place]:
    for (path, step), node in zip(walk(steps, section), nodes_of(steps), strict=True):
        yield Place(path, section, step, node, owner)
        if step.on_error is not None:
            yield from _places(f"{path}.on_error.steps", step.on_error.steps, step.id)
        yield from _places(f"{path}.rollback", step.rollback, step.id)


class Graph:
    """The steps of a document as vertices: `2 * i` is the start of step `i`, `2 * i + 1` its end."""

    def __init__(self, steps: Sequence[Place]) -> None:
        self.steps = steps
        self.index: dict[str, int] = {}
        for position, place in enumerate(steps):
            self.index.setdefault(place.node.id, position)
        self.parents = [self._named(place.node.parent) for place in steps]
        self.owners = [self._named(place.owner) for place in steps]
        self._after: list[list[int]] = [[] for _ in steps]
        self._before: list[list[int]] = [[] for _ in range(2 * len(steps))]
        for position, (parent, owner) in enumerate(zip(self.parents, self.owners, strict=True)):
            self._before[2 * position + 1].append(2 * position)
            if parent is not None:
                self._before[2 * position].append(2 * parent)
                self._before[2 * parent + 1].append(2 * position + 1)
            elif owner is not None:
                self._before[2 * position].append(2 * owner + 1)

    def depend(self, step: int, on: int) -> None:
        """`step` starts after `on` has ended."""
        self._after[step].append(on)
        self._before[2 * step].append(2 * on + 1)

    def before(self, vertex: int) -> Sequence[int]:
        """The vertices that have to be reached first."""
        return self._before[vertex]

    def after(self, step: int) -> Sequence[int]:
        """The steps that a step depends on."""
        return self._after[step]

    def ancestors(self, step: int) -> Iterator[int]:
        """The groups around a step, innermost first."""
        parent = self.parents[step]
        while parent is not None:
            yield parent
            parent = self.parents[parent]

    def around(self, step: int) -> Iterator[int]:
        """The groups around a step and the steps that its list deals with, innermost first."""
        here: int | None = step
        while here is not None:
            parent = self.parents[here]
            here = self.owners[here] if parent is None else parent
            if here is not None:
                yield here

    def ended_before(self) -> dict[int, int]:
        """For each step, the steps that have ended when it starts, however the run went: a set of bits.

        Steps on a circle, and those after one, are left out.
        """
        found = _Ended(self)
        for step in self.in_order():
            found.add(step)
        return found.by_start

    def in_order(self) -> Iterator[int]:
        """The steps, each after those that come before it; without circles and what follows them."""
        return (vertex // 2 for vertex in self._sorted() if vertex % 2 == 0)

    def circles(self) -> Iterator[list[int]]:
        """The steps of a shortest circle of each knot, each waiting for the next."""
        loose = set(range(len(self._before))).difference(self._sorted())
        for knot in knots(loose, self._before):
            around = [vertex // 2 for vertex in circle_of(knot, self._before)]
            yield [step for i, step in enumerate(around) if step != around[i - 1]] or around[:1]

    def _named(self, id: str | None) -> int | None:
        return None if id is None else self.index[id]

    def _sorted(self) -> Iterator[int]:
        """The vertices in an order that respects the dependencies, without circles and what follows them."""
        waiting = [len(earlier) for earlier in self._before]
        after: list[list[int]] = [[] for _ in self._before]
        for vertex, earlier in enumerate(self._before):
            for one in earlier:
                after[one].append(vertex)
        ready = deque(vertex for vertex, count in enumerate(waiting) if count == 0)
        while ready:
            vertex = ready.popleft()
            yield vertex
            for later in after[vertex]:
                waiting[later] -= 1
                if waiting[later] == 0:
                    ready.append(later)


class _Ended:
    """What has surely ended when a step starts (`by_start`), and when it ends without having started.

    A step that waits for some of its dependencies starts before the others end; it is blocked as soon as too
    few are left. The steps of a group that isn't opened, or of a branch that isn't taken, end with that,
    whatever they wait for themselves: who waits for such a step from outside learns no more by it.
    """

    def __init__(self, graph: Graph) -> None:
        self.by_start: dict[int, int] = {}
        self._graph = graph
        self._decided: dict[int, int] = {}
        self._whole = [1 << step for step in range(len(graph.steps))]
        self._branches: dict[tuple[int, str | None], int] = {}
        for step in reversed(range(len(graph.steps))):
            parent = graph.parents[step]
            if parent is not None:
                self._whole[parent] |= self._whole[step]
                branch = parent, graph.steps[step].node.branch
                self._branches[branch] = self._branches.get(branch, 0) | self._whole[step]

    def add(self, step: int) -> None:
        """The next step; those before it have been added."""
        graph = self._graph
        parent, owner = graph.parents[step], graph.owners[step]
        known = 0
        if parent is not None:
            known = self.by_start[parent]
        elif owner is not None:
            known = self.by_start[owner] | self._whole[owner]
        learned = [self._learned(one, step) for one in graph.after(step)]
        join, total = graph.steps[step].node.join, len(learned)
        needed = total if join == "all" else min(1 if join == "any" else join, total)
        self.by_start[step] = known | in_at_least(total - needed + 1, learned)
        left = 1 if join == "all" else max(total - needed + 1, needed)
        self._decided[step] = known | in_at_least(left, learned)

    def _learned(self, of: int, by: int) -> int:
        """What one step knows to have ended because another one has."""
        graph = self._graph
        ended = self._decided[of] | self._whole[of]
        if graph.parents[of] == graph.parents[by]:
            return ended
        shared, child = set(graph.ancestors(by)), of
        for around in graph.ancestors(of):
            if around in shared:
                break
            branch = around, graph.steps[child].node.branch
            ended &= self._decided[around] | self._branches[branch]
            child = around
        return ended
