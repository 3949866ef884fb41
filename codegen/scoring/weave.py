"""The extent of parts whose order is any directed graph."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import prod

from codegen.scoring.extent import Extent
from codegen.scoring.orders import Order, arranged, longest_chain, order, topological, width

MOST_CHOICES = 16


class Weave:
    """Parts, added one by one, each with the parts it waits for; then `extent` of all together."""

    def __init__(self) -> None:
        self._parts: list[Extent] = []
        self._before: list[list[int]] = []
        self._choices: list[list[range]] = []

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, part: Extent, before: Iterable[int] = ()) -> int:
        """Add a part; the number by which others name it."""
        self._parts.append(part)
        self._before.append(list(before))
        return len(self._parts) - 1

    def wait(self, part: int, before: Iterable[int]) -> None:
        """Let a part wait for more parts."""
        self._before[part] += before

    def choose(self, branches: Iterable[range]) -> None:
        """Only one of these ranges of parts will run."""
        self._choices.append([branch for branch in branches if branch])

    def extent(self) -> Extent:
        """The whole; CycleError names parts that wait for each other."""
        ordered = topological(self._before)
        before = arranged(self._before, ordered)
        parts = [self._parts[part] for part in ordered]
        found = order(before, [part.written > 0 for part in parts])
        edges, joins = _edges(parts, found)
        return Extent(
            written=sum(part.written for part in parts),
            leaves=sum(part.leaves for part in parts),
            pairs=_pairs(parts, found),
            width=max(width(found.above, widths) for widths in self._widths(ordered)),
            depth=longest_chain(before, [part.depth for part in parts]),
            edges=edges,
            joins=joins,
            first=sum(part.first for part, above in zip(parts, found.above, strict=True) if not above),
            last=_last(parts, found),
        )

    def _widths(self, ordered: Sequence[int]) -> Iterator[list[int]]:
        """The width of each part, for each way to choose branches: those not taken have none.

        With more than `MOST_CHOICES` ways all branches count at once: too wide rather than too slow.
        """
        ways = prod(len(branches) for branches in self._choices if branches)
        choices = [branches for branches in self._choices if branches] if ways <= MOST_CHOICES else []
        for taken in product(*choices):
            out = {
                part
                for branches, chosen in zip(choices, taken, strict=True)
                for branch in branches
                if branch is not chosen
                for part in branch
            }
            yield [0 if part in out else self._parts[part].width for part in ordered]


class _Sums:
    """Sums of weights over sets of parts; few weights differ, so that counting bits is enough."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._masks: dict[int, int] = {}
        for part, weight in enumerate(weights):
            if weight:
                self._masks[weight] = self._masks.get(weight, 0) | 1 << part

    def over(self, parts: int) -> int:
        if not parts:
            return 0
        return sum(weight * (parts & mask).bit_count() for weight, mask in self._masks.items())


def _pairs(parts: Sequence[Extent], found: Order) -> int:
    leaves = _Sums([part.leaves for part in parts])
    return sum(
        part.pairs + part.leaves * leaves.over(above)
        for part, above in zip(parts, found.above, strict=True)
        if part.written
    )


def _edges(parts: Sequence[Extent], found: Order) -> tuple[int, int]:
    """The edges without redundant ones, and the steps where several of them meet."""
    edges = joins = 0
    last = _Sums([part.last for part in parts])
    for part, direct in zip(parts, found.direct, strict=True):
        if part.written:
            meeting = last.over(direct)
            edges += part.edges + part.first * meeting
            joins += part.joins + (part.first if meeting > 1 else 0)
    return edges, joins


def _last(parts: Sequence[Extent], found: Order) -> int:
    followed = 0
    for part, direct in zip(parts, found.direct, strict=True):
        if part.written:
            followed |= direct
    return sum(part.last for number, part in enumerate(parts) if not followed >> number & 1)
