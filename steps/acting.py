"""How steps behave that are only pretended: a rehearsal of a workflow has no effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from codegen.fields import Duration, Model, Name
from codegen.leaves import Fail, Leaf, Set, Stop, SubWorkflow, Validation, Wait
from steps.clock import present
from steps.errors import StepFailed
from steps.executor import Plain
from steps.scope import Scope
from steps.timing import limited

HARMLESS: frozenset[type[Leaf]] = frozenset({Set, Fail, Stop, Validation})
"""Types of steps that touch nothing; they are always run for real."""
_UNLESS_TOLD: frozenset[type[Leaf]] = frozenset({Wait, SubWorkflow})


class Behaviour(Model):
    """How a pretended step behaves, in each of its executions.

    It takes `takes` of the run's time; then `fails` tries fail and those after them succeed. With `fail` and
    without `fails` every try fails. `results` are those of the first, second, ... try, the last one for all
    that follow.
    """

    result: Any = None
    results: tuple[Any, ...] = ()
    fails: int = Field(default=0, ge=0)
    fail: Name | None = None
    takes: Duration = 0.0

    def result_of(self, attempt: int) -> Any:
        """The result of a try, counted from 1."""
        return self.results[min(attempt, len(self.results)) - 1] if self.results else self.result

    def failure_of(self, attempt: int) -> str | None:
        """Why a try fails; None where it succeeds."""
        if self.fails:
            return (self.fail or f"failure {attempt} of {self.fails}") if attempt <= self.fails else None
        return self.fail


Acts = Behaviour | Sequence["Acts"]
"""How a step behaves in all its executions, or in each: one level of lists for each fan-out."""
Behaviours = Mapping[str, Acts]
_IDLE = Behaviour()


class Actors:
    """Stands in for executors: `with rehearsed(Actors({"usage": Behaviour(result={"stdout": "91"})})): ...`

    A list holds the behaviour of each execution of a step that fans out. With fan-outs within each other it
    is that of the outermost, and holds lists, or what is the same for all that is within: the form that the
    `items` of the record have. What a list has nothing for does as a step without a behaviour does: nothing,
    with no result. But one that waits lets the run's time pass, and one that runs another document runs it.
    The steps of that are named `deploy/copy`; their lists begin with the fan-outs of that document.
    """

    def __init__(self, behaviours: Behaviours) -> None:
        self._behaviours = behaviours
        self._attempts: Counter[str] = Counter()

    async def __call__(
        self, model: type[Leaf], function: Plain[...], scope: Scope, values: Mapping[str, Any]
    ) -> Any:
        """What the step gives, or its failure."""
        if model in HARMLESS or (model in _UNLESS_TOLD and scope.path not in self._behaviours):
            await present().sleep(0)
            return await function(scope, **values)
        self._attempts[scope.key] += 1
        attempt, behaviour = self._attempts[scope.key], self._behaviour(scope)
        async with limited(values.get("timeout")):
            await present().sleep(behaviour.takes)
        result = behaviour.result_of(attempt)
        if (reason := behaviour.failure_of(attempt)) is not None:
            raise StepFailed(reason, result)
        return result

    def _behaviour(self, scope: Scope) -> Behaviour:
        acts = self._behaviours.get(scope.path, _IDLE)
        for spot in scope.spots:
            if isinstance(acts, Behaviour):
                break
            acts = acts[spot.index] if spot.index < len(acts) else _IDLE
        if isinstance(acts, Behaviour):
            return acts
        raise StepFailed(f"a list holds the behaviours of {scope.path}, which does not fan out that deep")
