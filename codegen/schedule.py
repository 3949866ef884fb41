"""The conductor: which step is ready, blocked or skipped. It decides and never executes.

Both engines ask it: the interpreter with the nodes of a document, a generated flow with the nodes of
its own text. What a step may do is therefore decided in one place.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from codegen.result import SATISFIED, StepStatus
from codegen.step import RunIf
from codegen.workflow import Group, Parallel, Step, branches

Outcome = Literal["succeeded", "failed", "skipped", "blocked", "cancelled", "lost"]
_UNFINISHED_BECOMES: dict[Outcome, Outcome] = {
    "succeeded": "skipped",
    "skipped": "skipped",
    "cancelled": "cancelled",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A step as the conductor sees it."""

    id: str
    after: tuple[str, ...] = ()
    run_if: RunIf = "succeeded"
    parent: str | None = None
    branch: str | None = None
    is_group: bool = False
    tolerated: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """`ready`: start it now. Anything else: it ended so, without or after having run."""

    id: str
    status: Outcome | Literal["ready"]


def nodes_of(
    steps: Sequence[Step], parent: str | None = None, branch: str | None = None, *, chained: bool = True
) -> Iterator[Node]:
    """The nodes of a step list. Left-out `depends_on` means the sibling before, side by side in `parallel`."""
    before: tuple[str, ...] = ()
    for step in steps:
        after = step.depends_on if step.depends_on is not None else (before if chained else ())
        yield Node(
            id=step.id,
            after=after,
            run_if=step.run_if,
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


def may_start(run_if: RunIf, dependencies: Iterable[StepStatus]) -> Outcome | Literal["ready"]:
    """What becomes of a step whose dependencies have all ended."""
    if run_if == "finished":
        return "ready"
    satisfied = all(status in SATISFIED for status in dependencies)
    if run_if == "succeeded":
        return "ready" if satisfied else "blocked"
    return "skipped" if satisfied else "ready"


@dataclass(slots=True)
class _Place:
    """What the conductor remembers of one node."""

    node: Node
    status: StepStatus = "pending"
    waiting_for: int = 0
    dependents: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    unfinished: int = 0
    opened: bool = False


class Conductor:
    """Follows one list of steps from its beginning to its end.

    Call `begin`, then `open` for each group and `end` for each leaf that was `ready`; each call
    returns what changes because of it.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._places = {node.id: _Place(node) for node in nodes}
        self._top: list[str] = []
        self._closing: Outcome | None = None
        for place in self._places.values():
            self._connect(place)

    def begin(self) -> list[Change]:
        """Release the steps of the top level."""
        return self._release(self._top)

    def open(self, group: str, branch: str | None = None) -> list[Change]:
        """A ready group starts: release the children of the branch taken, skip the others."""
        place = self._places[group]
        place.status, place.opened = "running", True
        taken = [child for child in place.children if self._places[child].node.branch == branch]
        others = [child for child in place.children if self._places[child].node.branch != branch]
        changes = self._settle([(child, "skipped") for child in others])
        return changes + (self._release(taken) if taken else self._settle_all(self._finish_group(place)))

    def end(self, step: str, status: Outcome) -> list[Change]:
        """A ready step ended."""
        return self._settle([(step, status)])

    def stop(self, status: Outcome = "succeeded") -> list[Change]:
        """Nothing that has not started will start: skipped after success, cancelled after a cancel."""
        self._closing = _UNFINISHED_BECOMES[status]
        pending = [id for id, place in self._places.items() if place.status == "pending"]
        return self._settle([(id, self._closing) for id in pending])

    def status(self, step: str) -> StepStatus:
        """Where a step stands."""
        return self._places[step].status

    def started(self, step: str) -> None:
        """A ready leaf has begun."""
        self._places[step].status = "running"

    @property
    def outcome(self) -> Outcome:
        """How the whole list ended."""
        return self._verdict(self._top)

    def _connect(self, place: _Place) -> None:
        node = place.node
        place.waiting_for = len(node.after) + 1  # one more for the parent to open
        for dependency in node.after:
            self._places[dependency].dependents.append(node.id)
        if node.parent is None:
            self._top.append(node.id)
        else:
            parent = self._places[node.parent]
            parent.children.append(node.id)
            parent.unfinished += 1

    def _release(self, steps: Iterable[str]) -> list[Change]:
        decided = []
        for step in steps:
            decided += self._count_down(step)
        return self._settle_all(decided)

    def _count_down(self, step: str) -> list[Change]:
        place = self._places[step]
        place.waiting_for -= 1
        if place.waiting_for or place.status != "pending":
            return []
        if self._closing:
            return [Change(step, self._closing)]
        return [
            Change(step, may_start(place.node.run_if, (self._places[id].status for id in place.node.after)))
        ]

    def _settle(self, ended: Iterable[tuple[str, Outcome]]) -> list[Change]:
        return self._settle_all([Change(step, status) for step, status in ended])

    def _settle_all(self, decided: Iterable[Change]) -> list[Change]:
        """Carry every end on to whoever waits for it, without recursion: chains are long."""
        queue, changes = deque(decided), []
        while queue:
            change = queue.popleft()
            place = self._places[change.id]
            if place.status in ("succeeded", "failed", "skipped", "blocked", "cancelled", "lost"):
                continue
            changes.append(change)
            if change.status == "ready":
                continue
            place.status = change.status
            queue.extend(self._consequences(place, change.status))
        return changes

    def _consequences(self, place: _Place, status: Outcome) -> list[Change]:
        changes = []
        if not place.opened:
            inherited = status if status in ("skipped", "cancelled") else "blocked"
            changes += [Change(child, inherited) for child in place.children]
        for dependent in place.dependents:
            changes += self._count_down(dependent)
        if place.node.parent is not None:
            parent = self._places[place.node.parent]
            parent.unfinished -= 1
            changes += self._finish_group(parent)
        return changes

    def _finish_group(self, place: _Place) -> list[Change]:
        if not place.opened or place.unfinished or place.status != "running":
            return []
        return [Change(place.node.id, self._verdict(place.children))]

    def _verdict(self, steps: Iterable[str]) -> Outcome:
        statuses = {
            place.status for place in map(self._places.__getitem__, steps) if not self._excused(place)
        }
        if statuses & {"failed", "blocked", "lost"}:
            return "failed"
        return "cancelled" if "cancelled" in statuses else "succeeded"

    def _excused(self, place: _Place) -> bool:
        return place.node.tolerated and place.status == "failed"
