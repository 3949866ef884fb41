"""What a run that is tried again keeps of the try before: what succeeded, and came after nothing else.

The rule is that of other systems that run again "what failed": a step is run again when it did not succeed
or was undone, and so is all that comes after it. Of a step with many executions only those are run again
that did not succeed; inside a group that did not succeed the rule holds for its own steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from codegen.reasons import placed
from codegen.result import SATISFIED, StepStatus
from steps.entries import Entry
from steps.keys import Key, key_of, parted
from steps.work import Work, below, inside

Place = tuple[int, ...]


def kept(
    works: Sequence[Work],
    entries: Iterable[Entry],
    run_id: str,
    again_from: str | None = None,
    *,
    last: Sequence[Work] = (),
) -> list[Entry]:
    """Those entries of the try before that hold for the next one, in their order.

    `works` are the main steps; `last` deal with the run's end, which is done anew. All of `again_from` runs
    again. What began and must not begin twice stays so, whatever it comes after, unless it is there.
    """
    lines = [_Line(number, parted(entry.key, run_id), entry) for number, entry in enumerate(entries)]
    by_place: dict[tuple[str, Place], list[_Line]] = defaultdict(list)
    for line in lines:
        for depth in range(len(line.key.place) + 1):
            by_place[line.key.step, line.key.place[:depth]].append(line)
    everything = (*works, *last)
    choice = _Choice(by_place, _named(everything, again_from))
    held = {number: lines[number].entry for number in choice.of_list(works, ())}
    owned = dict(_owned(everything))
    for line in _lost(lines):
        if line.key.step not in choice.named:
            held = _asking(line, owned.get(line.key.step), choice, held, run_id)
    return [held[number] for number in sorted(held)]


def done_before(entries: Iterable[Entry], run_id: str) -> list[str]:
    """What people call the executions that succeeded before and are not done again; not inside documents."""
    keys = (
        parted(entry.key, run_id)
        for entry in entries
        if entry.kind == "tried" and entry.record is not None and entry.record.status == "succeeded"
    )
    labels = (placed(key.step, "".join(f"[{n}]" for n in key.place)) for key in keys if not key.deeper)
    return list(dict.fromkeys(labels))


def owners(works: Iterable[Work]) -> dict[str, str]:
    """Of each step that deals with what another one did, which one that is."""
    return {id: owner.work.id for id, owner in _owned(works)}


@dataclass(frozen=True, slots=True)
class _Owner:
    """A step that others deal with, how many numbers tell which execution, and whether they undo it."""

    work: Work
    depth: int
    undoing: bool


def _owned(works: Iterable[Work], around: int = 0) -> Iterator[tuple[str, _Owner]]:
    for work in works:
        depth = around + work.fans_out
        for undoing, block in ((False, work.on_error and work.on_error.steps), (True, work.rollback)):
            for one in below(block.works if block else ()):
                yield one.id, _Owner(work, depth, undoing)
        yield from _owned(work.inner.works if work.inner else (), depth)


def _lost(lines: Iterable[_Line]) -> Iterator[_Line]:
    """What began and nobody knows the end of."""
    last = {line.entry.key: line for line in lines if line.entry.kind in ("begun", "tried")}
    return (line for line in last.values() if line.is_lost)


def _asking(
    line: _Line, owner: _Owner | None, choice: _Choice, held: dict[int, Entry], run_id: str
) -> dict[int, Entry]:
    """What is kept, with a step that is lost, so that the next try asks as well.

    With a handler goes what led to it. Where it is an undo, the step that it undoes is not begun again.
    """
    if owner is None:
        return held | {line.number: line.entry}
    place = line.key.place[: owner.depth]
    own = [one for one in choice.of(owner.work, place) if one.number < line.number]
    if owner.undoing:
        key = key_of(run_id, owner.work.id, place)
        begun = Entry("begun", key, line.entry.attempt, status="succeeded", time=line.entry.time)
        mine = {one.number for one in own}
        return {number: entry for number, entry in held.items() if number not in mine} | {line.number: begun}
    before = max((one.number for one in own if one.ends(owner.work.id)), default=-1)
    return held | {one.number: one.entry for one in (*own, line) if one.number > before}


def _named(works: Sequence[Work], again_from: str | None) -> frozenset[str]:
    """The step from which on all is done again, and all that is a part of it."""
    ids = {again_from} - {None}
    named: set[str] = set()
    for work in inside(works):
        if work.id in ids or work.node.parent in ids:
            ids.add(work.id)
            named.update(one.id for one in below([work]))
    return frozenset(named)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    key: Key
    entry: Entry

    @property
    def is_lost(self) -> bool:
        """Whether it tells of a beginning without an end, here or inside another document."""
        record = self.entry.record
        return self.entry.kind == "begun" or (record is not None and record.status == "lost")

    def ends(self, step: str) -> bool:
        """Whether it is the last word on an execution of the step."""
        return self.entry.kind == "ended" and self.key.step == step and not self.key.deeper


@dataclass(frozen=True, slots=True)
class _Choice:
    lines: dict[tuple[str, Place], list[_Line]]
    named: frozenset[str]

    def of_list(self, works: Sequence[Work], place: Place, *, last_round: bool = False) -> Iterator[int]:
        """The numbers of what is kept of a list of steps that ran at a place."""
        again = {work.id for work in works if not work.is_frame and not self._is_done(work, place)}
        after = _all_after(works, again)
        for work in works:
            if not (work.is_frame or work.id in after or work.id in self.named):
                yield from self._of_step(work, place, last_round)

    def _of_step(self, work: Work, place: Place, last_round: bool) -> Iterator[int]:
        for execution in self._executions(work, place):
            since = self._last_round(work, execution) if last_round else -1
            if self._is_well(work, execution):
                yield from (line.number for line in self.of(work, execution) if line.number > since)
            elif self._was_undone(work, execution):
                continue
            elif work.inner is not None:
                yield from self.of_list(work.inner.works, execution, last_round=True)
            else:
                own = (line for line in self._at(work.id, execution) if line.key.deeper)
                yield from (line.number for line in own if line.number > since)

    def _is_done(self, work: Work, place: Place) -> bool:
        if self._is_to_begin_in(work):
            return False
        return all(self._is_well(work, execution) for execution in self._executions(work, place))

    def _is_to_begin_in(self, work: Work) -> bool:
        return any(one.id in self.named for one in inside([work]))

    def _is_well(self, work: Work, execution: Place) -> bool:
        """Whether an execution succeeded, or failed as it may, and nothing of it was undone."""
        status = self._status(work, execution)
        fine = status in SATISFIED or (status == "failed" and work.node.tolerated)
        if not fine or self._is_to_begin_in(work):
            return False
        return not any(self._was_undone(one, execution) for one in inside([work]))

    def _was_undone(self, work: Work, place: Place) -> bool:
        return any(self._at(undo.id, place) for undo in below(work.rollback.works if work.rollback else ()))

    def _status(self, work: Work, execution: Place) -> StepStatus | None:
        """How it ended. `lost`: it began, and nothing tells of its end."""
        status: StepStatus | None = None
        for line in self._at(work.id, execution):
            if line.key.place != execution or line.key.deeper:
                continue
            if line.entry.kind == "begun":
                status = "lost"
            elif line.entry.kind == "ended":
                status = line.entry.status
            elif line.entry.record is not None:
                status = line.entry.record.status
        return status

    def _executions(self, work: Work, place: Place) -> list[Place]:
        if not work.fans_out:
            return [place] if any(self.of(work, place)) else []
        depth = len(place) + 1
        longer = (line.key.place for line in self.of(work, place))
        return sorted({there[:depth] for there in longer if len(there) >= depth})

    def _last_round(self, work: Work, execution: Place) -> int:
        """The number after which the last of several rounds of the same execution begins."""
        kind = "ended" if work.inner is not None or work.on_error is not None else "tried"
        ends = [
            line.number
            for line in self._at(work.id, execution)
            if line.entry.kind == kind and line.key.place == execution and not line.key.deeper
        ]
        return ends[-2] if len(ends) > 1 else -1

    def of(self, work: Work, place: Place) -> Iterator[_Line]:
        """All that was done for a step at a place, its handlers included."""
        for one in inside([work]):
            yield from self._at(one.id, place)
            for handler in below(one.on_error.steps.works if one.on_error else ()):
                yield from self._at(handler.id, place)

    def _at(self, step: str, place: Place) -> list[_Line]:
        return self.lines.get((step, place), [])


def _all_after(works: Sequence[Work], again: set[str]) -> set[str]:
    """All steps that come after some: those that name them, and those of groups that do."""
    beginning: dict[str, list[str]] = defaultdict(list)
    for work in works:
        for earlier in work.node.after:
            beginning[earlier].append(work.id)
    nodes = {work.id: work for work in works}
    children: dict[str | None, list[str]] = defaultdict(list)
    for work in works:
        children[work.node.parent].append(work.id)
    after: set[str] = set()
    ended: set[str] = set()
    todo = list(again)
    while todo:
        id = todo.pop()
        if id in ended:
            continue
        ended.add(id)
        parent = nodes[id].node.parent
        if parent is not None and parent in nodes:
            todo.append(parent)
        for follower in beginning[id]:
            if follower not in after:
                begun = [follower]
                while begun:
                    one = begun.pop()
                    after.add(one)
                    todo.append(one)
                    begun += children[one]
    return after
