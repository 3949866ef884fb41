"""Tells, as steps start, how far a run is: `step 2 of 7`."""

from collections.abc import Iterable
from dataclasses import replace

from steps.events import Event


class StepCount:
    """Counts the main steps that have begun, or are over; a group is what it holds, a fan-out is one step."""

    def __init__(self, steps: Iterable[str]) -> None:
        self._steps = frozenset(steps)
        self._come_to: set[str] = set()

    def noted(self, event: Event) -> Event:
        """The event; of a step that starts with its position."""
        if event.step not in self._steps:
            return event
        self._come_to.add(event.step)
        if event.kind != "started":
            return event
        return replace(event, position=f"step {len(self._come_to)} of {len(self._steps)}")
