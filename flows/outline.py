"""A flow as it was written down, step by step, and what there is to do for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from codegen.groups import apart_by
from flows.prefect_steps import Edges
from steps.approval import asking
from steps.block import Block, enough
from steps.work import Handlers, Work


@dataclass(slots=True)
class Entry:
    """A step with the steps that belong to it.

    `whole` is what a group says of its steps together, by the keys of a document.
    """

    work: Work
    is_group: bool = False
    children: list[Entry] = field(default_factory=list)
    whole: Mapping[str, Any] = field(default_factory=dict)
    on_error: list[Entry] = field(default_factory=list)
    when: str | None = None
    recover: bool = False
    rollback: list[Entry] = field(default_factory=list)
    requires_approval: bool = False

    @property
    def is_apart(self) -> bool:
        """Whether it is a group that runs its steps by itself."""
        work, handled = self.work, {"on_error": self.on_error or None, "rollback": tuple(self.rollback)}
        said: dict[str, Any] = {"on": work.on, "for_each": work.for_each, "repeat": work.repeat}
        said |= {**handled, **self.whole, "requires_approval": self.requires_approval}
        return self.is_group and apart_by(said) is not None


def works(entries: Iterable[Entry], edges: Edges, around: int = 0) -> tuple[Work, ...]:
    """What there is to do for a list of steps. `around`: how many executions it is a part of."""
    return tuple(_listed(entries, edges, around, None))


def _listed(entries: Iterable[Entry], edges: Edges, around: int, parent: str | None) -> Iterator[Work]:
    for entry in entries:
        edges.place(entry.work.id, around)
        work = _with_handlers(entry, edges, around + entry.work.fans_out)
        if parent is not None:
            work = replace(work, node=replace(work.node, parent=parent))
        if entry.is_apart:
            inside = works(entry.children, edges, around + work.fans_out)
            whole = dict(entry.whole)
            needed = enough(whole.pop("wait_for", "all"))
            block = Block(inside, branch=work.branch, enough=needed, **whole)
            work = replace(work, inner=block, branch=None)
            yield asking(work) if entry.requires_approval else work
        else:
            yield asking(work) if entry.requires_approval else work
            yield from _listed(entry.children, edges, around, work.id)


def _with_handlers(entry: Entry, edges: Edges, around: int) -> Work:
    work = entry.work
    if entry.on_error:
        steps = Block(works(entry.on_error, edges, around))
        work = replace(work, on_error=Handlers(steps, entry.when, entry.recover))
    if entry.rollback:
        work = replace(work, rollback=Block(works(entry.rollback, edges, around)))
    return work
