"""How large a part of a document is, and what parts come to together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Extent:
    """What counts of a part of a document.

    `written` leaf steps make `leaves`, fan-out included. `pairs` of leaves have a fixed order; `width`
    leaves can run at once. Of the written steps the longest chain is `depth`, `edges` remain without
    redundant ones, `joins` wait for several; `first` wait for none, and none waits for `last`.
    """

    written: int = 0
    leaves: int = 0
    pairs: int = 0
    width: int = 0
    depth: int = 0
    edges: int = 0
    joins: int = 0
    first: int = 0
    last: int = 0


NOTHING = Extent()


@lru_cache(maxsize=256)
def leaf(times: int, at_once: int | None) -> Extent:
    """A leaf step that runs `times` times, `at_once` of them together."""
    together = times if at_once is None else min(times, at_once)
    return Extent(written=1, leaves=times, width=together, depth=1, first=1, last=1)


def beside(parts: Sequence[Extent]) -> Extent:
    """Parts that do not wait for each other."""
    if len(parts) == 1:
        return parts[0]
    return Extent(
        written=sum(part.written for part in parts),
        leaves=sum(part.leaves for part in parts),
        pairs=sum(part.pairs for part in parts),
        width=sum(part.width for part in parts),
        depth=max((part.depth for part in parts), default=0),
        edges=sum(part.edges for part in parts),
        joins=sum(part.joins for part in parts),
        first=sum(part.first for part in parts),
        last=sum(part.last for part in parts),
    )


def instead(parts: Sequence[Extent]) -> Extent:
    """Parts of which no two run in the same span of time: the branches of a condition."""
    return replace(beside(parts), width=max((part.width for part in parts), default=0))


def in_a_row(parts: Iterable[Extent]) -> Extent:
    """Parts that each wait for the whole one before."""
    filled = [part for part in parts if part.written]
    if len(filled) < 2:
        return filled[0] if filled else NOTHING
    leaves = pairs = edges = joins = 0
    last = 0
    for part in filled:
        pairs += part.pairs + leaves * part.leaves
        edges += part.edges + last * part.first
        joins += part.joins + (part.first if last > 1 else 0)
        leaves += part.leaves
        last = part.last
    return Extent(
        written=sum(part.written for part in filled),
        leaves=leaves,
        pairs=pairs,
        width=max(part.width for part in filled),
        depth=sum(part.depth for part in filled),
        edges=edges,
        joins=joins,
        first=filled[0].first,
        last=last,
    )


def repeated(part: Extent, times: int, at_once: int | None) -> Extent:
    """A part that runs `times` times side by side; `at_once` limits its leaves in progress."""
    if times == 1 and at_once is None:
        return part
    width = part.width * times
    return replace(
        part,
        leaves=part.leaves * times,
        pairs=part.pairs * times,
        width=width if at_once is None else min(width, at_once),
    )
