"""Where a list of steps runs: what all of them see."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.result import StepError
from steps.scope import Scope, Spot, Surroundings


@dataclass(frozen=True, slots=True)
class Frame:
    """What the steps of one list have in common; `spots` is the execution that the list is a part of."""

    surroundings: Surroundings
    spots: tuple[Spot, ...] = ()
    error: StepError | None = None

    def scope(self, step: str, spot: Spot | None = None) -> Scope:
        """What an execution of a step sees."""
        spots = self.spots if spot is None else (*self.spots, spot)
        return Scope(self.surroundings, step, spots=spots, error=self.error)
