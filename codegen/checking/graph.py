"""The order that a document's dependencies make: what comes before what, and where they go in a circle.

A step has two vertices, its start and its end; a group starts before its children and ends after them.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from codegen.schedule import Node, nodes_of
from codegen.workflow import Step, Workflow, sections, walk


@dataclass(frozen=True, slots=True)
class Place:
    """A step where it stands: its path, the list of steps it belongs to, and its order in that list."""

    path: str
    section: str
    step: Step
    node: Node


def places(workflow: Workflow) -> list[Place]:
    """Every step of a document, handler steps too, parents before children."""
    return [place for section, steps in sections(workflow) for place in _places(section, steps)]


def _places(section: str, steps: tuple[Step, ...]) -> Iterator[Place]:
    for (path, step), node in zip(walk(steps, section), nodes_of(steps), strict=True):
        yield Place(path, section, step, node)
        if step.on_error is not None:
            yield from _places(f"{path}.on_error.steps", step.on_error.steps)
        yield from _places(f"{path}.rollback", step.rollback)


class Graph:
    """The steps of a document as vertices: `2 * i` is the start of step `i`, `2 * i + 1` its end."""

    def __init__(self, steps: Sequence[Place]) -> None:
        self.steps = steps
        self.index: dict[str, int] = {}
        for position, place in enumerate(steps):
            self.index.setdefault(place.node.id, position)
        self.parents = [self._parent(place) for place in steps]
        self._before: list[list[int]] = [[] for _ in range(2 * len(steps))]
        for position, parent in enumerate(self.parents):
            self._before[2 * position + 1].append(2 * position)
            if parent is not None:
                self._before[2 * position].append(2 * parent)
                self._before[2 * parent + 1].append(2 * position + 1)

    def depend(self, step: int, on: int) -> None:
        """`step` starts after `on` has ended."""
        self._before[2 * step].append(2 * on + 1)

    def before(self, vertex: int) -> Sequence[int]:
        """The vertices that have to be reached first."""
        return self._before[vertex]

    def ancestors(self, step: int) -> Iterator[int]:
        """The groups around a step, innermost first."""
        parent = self.parents[step]
        while parent is not None:
            yield parent
            parent = self.parents[parent]

    def ended_before(self) -> dict[int, int]:
        """For each step's start, the steps that have ended by then: a set of bits.

        Steps on a circle, and those after one, are left out.
        """
        ended: dict[int, int] = {}
        for vertex in self._sorted():
            bits = 0
            for earlier in self._before[vertex]:
                bits |= ended[earlier] | (1 << (earlier // 2) if earlier % 2 else 0)
            ended[vertex] = bits
        return {vertex // 2: bits for vertex, bits in ended.items() if vertex % 2 == 0}

    def circles(self) -> Iterator[list[int]]:
        """The steps of a shortest circle of each knot, each waiting for the next."""
        loose = set(range(len(self._before))).difference(self._sorted())
        for knot in _knots(loose, self._before):
            around = [vertex // 2 for vertex in _shortest_circle(knot, self._before)]
            yield [step for i, step in enumerate(around) if step != around[i - 1]] or around[:1]

    def _parent(self, place: Place) -> int | None:
        return None if place.node.parent is None else self.index[place.node.parent]

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


def _knots(vertices: set[int], before: Sequence[Sequence[int]]) -> Iterator[set[int]]:
    """The strongly connected components of more than one vertex (Kosaraju)."""
    after: dict[int, list[int]] = {vertex: [] for vertex in vertices}
    for vertex in vertices:
        for earlier in vertices.intersection(before[vertex]):
            after[earlier].append(vertex)
    left = set(vertices)
    for root in reversed(_in_order_of_finish(vertices, before)):
        knot = _reached(root, after, left)
        left -= knot
        if len(knot) > 1:
            yield knot


def _in_order_of_finish(vertices: set[int], before: Sequence[Sequence[int]]) -> list[int]:
    """A depth-first walk without recursion: chains are long."""
    seen: set[int] = set()
    finished: list[int] = []
    todo = [(vertex, False) for vertex in sorted(vertices, reverse=True)]
    while todo:
        vertex, is_done = todo.pop()
        if is_done:
            finished.append(vertex)
        elif vertex not in seen:
            seen.add(vertex)
            todo.append((vertex, True))
            todo += [(one, False) for one in before[vertex] if one in vertices and one not in seen]
    return finished


def _reached(root: int, after: Mapping[int, Sequence[int]], among: set[int]) -> set[int]:
    found: set[int] = set()
    todo = [root]
    while todo:
        vertex = todo.pop()
        if vertex in among and vertex not in found:
            found.add(vertex)
            todo += after[vertex]
    return found


def _shortest_circle(knot: Iterable[int], before: Sequence[Sequence[int]]) -> list[int]:
    """From the first vertex of a knot through its dependencies back to it."""
    members = set(knot)
    first = min(members)
    reached: dict[int, int] = {}
    queue = deque([first])
    while first not in reached:
        vertex = queue.popleft()
        for earlier in before[vertex]:
            if earlier in members and earlier not in reached:
                reached[earlier] = vertex
                queue.append(earlier)
    around = [reached[first]]
    while around[-1] != first:
        around.append(reached[around[-1]])
    return around[::-1]
