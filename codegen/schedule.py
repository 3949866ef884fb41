"""The conductor: which step is ready, blocked or skipped. It decides and never executes.

Both engines ask it: the interpreter with the nodes of a document, a generated flow with the nodes of
its own text. What a step may do is therefore decided in one place.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from codegen.groups import Group, Parallel, Step, branches
from codegen.result import FINAL, SATISFIED, StepStatus
from codegen.step import Join, RunIf

Ending = Literal["succeeded", "failed", "skipped", "blocked", "cancelled", "lost"]
# What the steps of a group become that ended without having been opened; of a failed one, blocked.
_INHERITED: dict[StepStatus, Ending] = {"skipped": "skipped", "cancelled": "cancelled"}


@dataclass(frozen=True, slots=True)
class Node:
    """A step as the conductor sees it."""

    id: str
    after: tuple[str, ...] = ()
    join: Join = "all"
    run_if: RunIf = "succeeded"
    enabled: bool = True
    parent: str | None = None
    branch: str | None = None
    is_group: bool = False
    tolerated: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """`ready`: start it now. Anything else: it ended so, without or after having run."""

    id: str
    status: Ending | Literal["ready"]


def nodes_of(
    steps: Sequence[Step], parent: str | None = None, branch: str | None = None, *, chained: bool = True
) -> Iterator[Node]:
    """The nodes of a step list. Without `depends_on` they run in turn, in `parallel` side by side."""
    before: tuple[str, ...] = ()
    for step in steps:
        after = step.depends_on if step.depends_on is not None else (before if chained else ())
        yield Node(
            id=step.id,
            after=after,
            join=step.join,
            run_if=step.run_if,
            enabled=step.enabled,
            parent=parent,
            branch=branch,
            is_group=isinstance(step, Group),
            tolerated=step.continue_on_error,
        )
        for key, inner in branches(step):
            yield from nodes_of(
                inner, step.id, key if key != "steps" else None, chained=not isinstance(step, Parallel)
            )
        before = (step.id,)


def fate(node: Node, ended: int, counted: int) -> Ending | Literal["ready"] | None:
    """What becomes of a step of whose dependencies so many have ended; None: that isn't known yet.

    `counted` are those that `run_if` asks for: the satisfied, the failed, or all that ended.
    """
    total = len(node.after)
    missed: Ending = "skipped" if node.run_if == "failed" else "blocked"
    if node.join == "all" or (node.join == "any" and not total):
        needed = 1 if node.run_if == "failed" else total
        if ended < total:
            return None
        return "ready" if counted >= needed else missed
    needed = 1 if node.join == "any" else node.join
    if counted >= needed:
        return "ready"
    return missed if counted + total - ended < needed else None


def inherited(status: StepStatus) -> Ending:
    """How the steps of a group end that ended so without having been opened."""
    return _INHERITED.get(status, "blocked")


def counts(run_if: RunIf, status: StepStatus) -> bool:
    """Whether a dependency that ended so is one that `run_if` asks for."""
    return run_if == "finished" or (status in SATISFIED) == (run_if == "succeeded")


@dataclass(slots=True)
class _Place:
    """What the conductor remembers of one node."""

    node: Node
    status: StepStatus = "pending"
    released: bool = False
    ended: int = 0
    counted: int = 0
    dependents: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    unfinished: int = 0
    opened: bool = False


class Conductor:
    """Follows one list of steps from its beginning to its end.

    Call `begin`, then `open` for each group and `end` for each leaf that became `ready`; a group whose
    own condition refuses it gets `end` instead of `open`. Each call returns what changes because of it.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._places = {node.id: _Place(node) for node in nodes}
        self._top: list[str] = []
        for place in self._places.values():
            self._connect(place)

    def begin(self, branch: str | None = None) -> list[Change]:
        """Release the steps of the top level; where it has branches, those of the one taken."""
        return self._enter(self._top, branch)

    def open(self, group: str, branch: str | None = None) -> list[Change]:
        """A ready group starts: release the children of the branch taken, skip the others."""
        place = self._places[group]
        place.opened = True
        return self._enter(place.children, branch) + self._settle(self._finish(place))

    def end(self, step: str, status: StepStatus) -> list[Change]:
        """A ready step ended. What it changes for others; the step itself is not among them."""
        place = self._places[step]
        if place.status != "running" or status not in FINAL:
            raise ValueError(f"step {step!r} is {place.status}; it can't end as {status}")
        place.status = status
        return self._settle(self._consequences(place))

    def stop(self, status: Ending = "skipped") -> list[Change]:
        """What has not started ends so, never having run: `skipped`, or `cancelled`."""
        pending = [id for id, place in self._places.items() if place.status == "pending"]
        return self._settle(Change(id, status) for id in pending)

    def status(self, step: str) -> StepStatus:
        """Where a step stands; a ready step counts as running."""
        return self._places[step].status

    @property
    def outcome(self) -> Ending:
        """How the whole list ended."""
        return self._verdict(self._top)

    def race(self, enough: int) -> Literal["succeeded", "failed"] | None:
        """How a race ended that so many steps of the top level must win; None: it is still open.

        Skipped steps take no part: where fewer than `enough` do, all of them must win.
        """
        statuses = [self._places[step].status for step in self._top]
        needed = min(enough, len(statuses) - statuses.count("skipped"))
        won = statuses.count("succeeded")
        if won + sum(status not in FINAL for status in statuses) < needed:
            return "failed"
        return "succeeded" if won >= needed else None

    def _connect(self, place: _Place) -> None:
        node = place.node
        for dependency in node.after:
            self._places[dependency].dependents.append(node.id)
        if node.parent is None:
            self._top.append(node.id)
        else:
            parent = self._places[node.parent]
            parent.children.append(node.id)
            parent.unfinished += 1

    def _enter(self, steps: Sequence[str], branch: str | None) -> list[Change]:
        taken = [step for step in steps if self._places[step].node.branch == branch]
        others = [step for step in steps if self._places[step].node.branch != branch]
        return self._settle(Change(step, "skipped") for step in others) + self._settle(self._release(taken))

    def _release(self, steps: Iterable[str]) -> Iterator[Change]:
        """The list that the steps stand in has begun."""
        for step in steps:
            place = self._places[step]
            place.released = True
            yield from self._decide(place)

    def _inform(self, steps: Iterable[str], status: StepStatus) -> Iterator[Change]:
        """A step that these wait for has ended."""
        for step in steps:
            place = self._places[step]
            place.ended += 1
            place.counted += counts(place.node.run_if, status)
            yield from self._decide(place)

    def _decide(self, place: _Place) -> Iterator[Change]:
        if not place.released or place.status != "pending":
            return
        decided = fate(place.node, place.ended, place.counted)
        if decided == "ready" and not place.node.enabled:
            decided = "skipped"
        if decided is not None:
            yield Change(place.node.id, decided)

    def _settle(self, decided: Iterable[Change]) -> list[Change]:
        """Carry every end on to whoever waits for it, without recursion: chains are long."""
        queue, changes = deque(decided), []
        while queue:
            change = queue.popleft()
            place = self._places[change.id]
            if place.status in FINAL or (change.status == "ready" and place.status == "running"):
                continue
            changes.append(change)
            if change.status == "ready":
                place.status = "running"
            else:
                place.status = change.status
                queue.extend(self._consequences(place))
        return changes

    def _consequences(self, place: _Place) -> Iterator[Change]:
        if not place.opened:
            yield from (Change(child, inherited(place.status)) for child in place.children)
        yield from self._inform(place.dependents, place.status)
        if place.node.parent is not None:
            parent = self._places[place.node.parent]
            parent.unfinished -= 1
            yield from self._finish(parent)

    def _finish(self, place: _Place) -> Iterator[Change]:
        """An open group ends with its last child."""
        if place.opened and place.unfinished == 0 and place.status == "running":
            yield Change(place.node.id, self._verdict(place.children))

    def _verdict(self, steps: Iterable[str]) -> Ending:
        places = map(self._places.__getitem__, steps)
        statuses = {place.status for place in places if not self._excused(place)}
        if statuses & {"failed", "blocked", "lost"}:
            return "failed"
        return "cancelled" if "cancelled" in statuses else "succeeded"

    def _excused(self, place: _Place) -> bool:
        return place.node.tolerated and place.status == "failed"
