"""How a run went: its report, and what its steps did when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from codegen.groups import branches
from codegen.leaves import Leaf
from codegen.lists import every_step
from codegen.result import Report
from codegen.workflow import Workflow
from steps.events import Event


@dataclass(frozen=True, slots=True)
class Course:
    """One life of a run; `report` is None where its process died. `reason` says why it did not succeed.

    `moments` are those of the events by the run's clock, where that is known.
    """

    report: Report | None
    reason: str | None
    events: tuple[Event, ...]
    moments: tuple[float, ...] = ()

    def started(self) -> list[str]:
        """The executions that started, in order: `usage`, `usage on web-1`, `usage [2]`."""
        return [event.label for event in self.events if event.kind == "started"]

    def starts(self, leaves: Iterable[str]) -> list[int]:
        """When executions of these steps started, counted in events."""
        return self._times("started", leaves)

    def ends(self, leaves: Iterable[str]) -> list[int]:
        """When executions of these steps ended, or were found not to run."""
        return self._times("ended", leaves)

    def _times(self, kind: str, leaves: Iterable[str]) -> list[int]:
        steps = frozenset(leaves)
        return [time for time, event in enumerate(self.events) if event.kind == kind and event.step in steps]


def leaves_of(workflow: Workflow) -> dict[str, list[str]]:
    """For each step the leaves that it consists of: itself, or those of the group."""
    return {step.id: _leaves(step) for _, step in every_step(workflow)}


def _leaves(step: object) -> list[str]:
    if isinstance(step, Leaf):
        return [step.id]
    return [id for _, steps in branches(step) for inner in steps for id in _leaves(inner)]  # type: ignore[arg-type]
