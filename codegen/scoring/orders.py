"""Partial orders: who comes before whom in a directed graph, how long, and how many at once.

A graph is given as `before`: for each node, numbered from 0, the nodes it waits for directly. `arranged`
numbers the nodes so that each waits for smaller numbers only; what follows it expects that. Sets of nodes
are the bits of one integer.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

Before = Sequence[Sequence[int]]
Links = list[tuple[int, int]]


class CycleError(ValueError):
    """Nodes in a circle, each waiting for the one before it."""

    def __init__(self, nodes: tuple[int, ...]) -> None:
        self.nodes = nodes
        super().__init__(f"nodes {', '.join(map(str, nodes))} wait for each other")


@dataclass(frozen=True, slots=True)
class Order:
    """`above`: all counted nodes before each node; `direct`: those of them with none in between."""

    above: tuple[int, ...]
    direct: tuple[int, ...]


def members(bits: int) -> Iterator[int]:
    """The nodes of a set, smallest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def topological(before: Before) -> Sequence[int]:
    """The nodes, each after all it waits for, else by number; CycleError names a circle."""
    if all(earlier < node for node, nodes in enumerate(before) for earlier in nodes):
        return range(len(before))
    waiting = [len(set(nodes)) for nodes in before]
    after: list[list[int]] = [[] for _ in before]
    for node, nodes in enumerate(before):
        for earlier in set(nodes):
            after[earlier].append(node)
    ready = [node for node, count in enumerate(waiting) if not count]
    heapify(ready)
    ordered = []
    while ready:
        ordered.append(node := heappop(ready))
        for later in after[node]:
            waiting[later] -= 1
            if not waiting[later]:
                heappush(ready, later)
    if len(ordered) < len(before):
        raise CycleError(_circle(before, set(range(len(before))) - set(ordered)))
    return ordered


def _circle(before: Before, stuck: set[int]) -> tuple[int, ...]:
    """Walking backwards among the nodes that never became ready ends in a circle."""
    path: list[int] = []
    places: dict[int, int] = {}
    node = min(stuck)
    while node not in places:
        places[node] = len(path)
        path.append(node)
        node = next(earlier for earlier in before[node] if earlier in stuck)
    return tuple(reversed(path[places[node] :]))


def arranged(before: Before, ordered: Sequence[int]) -> list[list[int]]:
    """The same graph with its nodes numbered in the order given."""
    places = {node: place for place, node in enumerate(ordered)}
    return [[places[earlier] for earlier in before[node]] for node in ordered]


def order(before: Before, counted: Sequence[bool]) -> Order:
    """The order of the counted nodes: its closure, and its reduction (without redundant pairs).

    The other nodes, such as the start and the end of a group, only pass the order on.
    """
    bits = [1 << node if count else 0 for node, count in enumerate(counted)]
    above: list[int] = []
    beyond: list[int] = []
    for nodes in before:
        all_above = all_beyond = 0
        for earlier in nodes:
            all_above |= above[earlier] | bits[earlier]
            all_beyond |= above[earlier] if counted[earlier] else beyond[earlier]
        above.append(all_above)
        beyond.append(all_beyond)
    direct = (everything & ~further for everything, further in zip(above, beyond, strict=True))
    return Order(tuple(above), tuple(direct))


def longest_chain(before: Before, lengths: Sequence[int]) -> int:
    """The largest sum of lengths along a path."""
    reached: list[int] = []
    for node, nodes in enumerate(before):
        reached.append(lengths[node] + max((reached[earlier] for earlier in nodes), default=0))
    return max(reached, default=0)


def width(above: Sequence[int], weights: Sequence[int]) -> int:
    """The largest sum of weights over nodes of which none comes before another: a maximum antichain.

    By Dilworth's theorem that is the smallest number of chains that together hold every node as often as
    it weighs, and a smallest cover by chains is a largest flow from nodes to nodes above them.
    """
    cover = _Cover(above, weights)
    cover.link_greedily()
    cover.link_fully()
    return sum(weights) - cover.linked


class _Cover:
    """Chains through an order: a link puts a node behind one above it, at most `weight` times each way."""

    def __init__(self, above: Sequence[int], weights: Sequence[int]) -> None:
        weighty = sum(1 << node for node, weight in enumerate(weights) if weight)
        self._above = [nodes & weighty for nodes in above]
        self._lower_left, self._upper_left = list(weights), list(weights)
        self._open = weighty
        self._useful = weighty
        self._behind: list[dict[int, int]] = [{} for _ in weights]
        self.linked = 0

    def link_greedily(self) -> None:
        """Put each node behind the nearest free ones; nearly a smallest cover where chains are long."""
        for node, nodes in enumerate(self._above):
            while self._lower_left[node] and (free := nodes & self._open):
                self._augment([(node, free.bit_length() - 1)], [])

    def link_fully(self) -> None:
        """Improve the cover along augmenting paths until it is a smallest one."""
        for node, nodes in enumerate(self._above):
            while nodes and self._lower_left[node] and (path := self._augmenting_path(node)):
                self._augment(*path)

    def _augmenting_path(self, start: int) -> tuple[Links, Links] | None:
        """The links to add and to take back so that `start` gets one more; breadth first.

        A search that fails has seen only nodes that no later search can use, so they are dropped.
        """
        reached_from: dict[int, int] = {}
        freed_from: dict[int, int] = {start: -1}
        queue = deque([start])
        unseen = self._useful
        while queue:
            lower = queue.popleft()
            fresh = self._above[lower] & unseen
            if ending := fresh & self._open:
                return _traced(lower, ending.bit_length() - 1, reached_from, freed_from)
            unseen ^= fresh
            for upper in members(fresh):
                reached_from[upper] = lower
                for node in self._behind[upper]:
                    if node not in freed_from:
                        freed_from[node] = upper
                        queue.append(node)
        self._useful = unseen
        return None

    def _augment(self, added: Links, taken_back: Links) -> None:
        first, last = added[-1][0], added[0][1]
        links = [self._behind[upper][lower] for lower, upper in taken_back]
        amount = min(self._lower_left[first], self._upper_left[last], *links)
        for lower, upper in added:
            self._behind[upper][lower] = self._behind[upper].get(lower, 0) + amount
        for lower, upper in taken_back:
            self._behind[upper][lower] -= amount
            if not self._behind[upper][lower]:
                del self._behind[upper][lower]
        self._lower_left[first] -= amount
        self._upper_left[last] -= amount
        if not self._upper_left[last]:
            self._open &= ~(1 << last)
        self.linked += amount


def _traced(
    lower: int, upper: int, reached_from: dict[int, int], freed_from: dict[int, int]
) -> tuple[Links, Links]:
    added, taken_back = [(lower, upper)], []
    while (upper := freed_from[lower]) >= 0:
        taken_back.append((lower, upper))
        lower = reached_from[upper]
        added.append((lower, upper))
    return added, taken_back
