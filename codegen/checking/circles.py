"""Circles in a directed graph, found without recursion: chains are long.

A graph is given as `before`: for each vertex those that have to be reached first.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence


def knots(vertices: set[int], before: Sequence[Sequence[int]]) -> Iterator[set[int]]:
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


def circle_of(knot: Iterable[int], before: Sequence[Sequence[int]]) -> list[int]:
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
