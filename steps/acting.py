"""How steps behave that are only pretended: a rehearsal of a workflow has no effects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Field

from codegen.fields import Duration, Model, Name
from codegen.leaves import Approval, CeleryTask, Fail, Leaf, Set, Stop, SubWorkflow, Validation, Wait
from steps.celery_task import outcome_of
from steps.clock import present
from steps.data import json_data
from steps.errors import StepFailed
from steps.executor import Plain
from steps.questions import Answer, Question
from steps.scope import Scope
from steps.timing import limited

HARMLESS: frozenset[type[Leaf]] = frozenset({Set, Fail, Stop, Validation})
"""Types of steps that touch nothing; they are always run for real."""
_UNLESS_TOLD: frozenset[type[Leaf]] = frozenset({Wait, SubWorkflow, Approval})


class Reply(Model):
    """How a person answers; `approved: null` is nobody's answer."""

    approved: bool | None = True
    by: Name = "rehearsal"
    comment: str = ""


class Behaviour(Model):
    """How a pretended step behaves, in each of its executions.

    `answer` is what a person says who is asked by it, or before it; without one it is yes. What an approval
    `takes` is the time until then.

    It takes `takes` of the run's time; then `fails` tries fail and those after them succeed. With `fail` and
    without `fails` every try fails. `results` are those of the first, second, ... try, the last one for all
    that follow. `dies`: in what would be its first try to succeed, the process that runs the workflow dies.
    """

    result: Any = None
    results: tuple[Any, ...] = ()
    fails: int = Field(default=0, ge=0)
    fail: Name | None = None
    takes: Duration = 0.0
    dies: bool = False
    answer: Reply = Reply()

    def result_of(self, attempt: int) -> Any:
        """The result of a try, counted from 1."""
        return self.results[min(attempt, len(self.results)) - 1] if self.results else self.result

    def failure_of(self, attempt: int) -> str | None:
        """Why a try fails; None where it succeeds."""
        if self.fails:
            return (self.fail or f"failure {attempt} of {self.fails}") if attempt <= self.fails else None
        return self.fail

    def dies_in(self, attempt: int) -> bool:
        """Whether the process dies in this try, at the moment at which it would have ended."""
        return self.dies and attempt == self.fails + 1


Acts = Behaviour | Sequence["Acts"]
"""How a step behaves in all its executions, or in each: one level of lists for each fan-out."""
Behaviours = Mapping[str, Acts]
_IDLE = Behaviour()
_DIED = "the process died"


class Actors:
    """Stands in for executors: `with rehearsed(Actors({"usage": Behaviour(result={"stdout": "91"})})): ...`

    A list holds the behaviour of each execution of a step that fans out. With fan-outs within each other it
    is that of the outermost, and holds lists, or what is the same for all that is within: the form that the
    `items` of the record have. What a list has nothing for does as a step without a behaviour does: nothing,
    with no result. But one that waits lets the run's time pass, and one that runs another document runs it.
    The steps of that are named `deploy/copy`; their lists begin with the fan-outs of that document.

    `tries` counts those of each execution, by its key; `die` ends the process, as far as anybody can see.
    """

    def __init__(self, behaviours: Behaviours, die: Callable[[], None] | None = None) -> None:
        self._behaviours = dict(behaviours)
        self._die = die
        self._dead = False
        self._paths: dict[str, str] = {}
        self.tries: Counter[str] = Counter()

    def in_another_life(self, behaviours: Behaviours, die: Callable[[], None] | None = None) -> None:
        """Go on in another process. Tries of steps that behave in another way now count from the first."""
        self._behaviours |= behaviours
        self._die, self._dead = die, False
        for key, path in self._paths.items():
            if path in behaviours:
                self.tries.pop(key, None)

    async def __call__(
        self, model: type[Leaf], function: Plain[...], scope: Scope, values: Mapping[str, Any]
    ) -> Any:
        """What the step gives, or its failure."""
        if self._dead:
            raise StepFailed(_DIED)
        if model in HARMLESS or (model in _UNLESS_TOLD and not self._told(model, scope)):
            await present().sleep(0)
            return await function(scope, **values)
        self.tries[scope.key] += 1
        self._paths[scope.key] = scope.path
        attempt, behaviour = self.tries[scope.key], self._behaviour(scope)
        async with limited(values.get("timeout")):
            await present().sleep(behaviour.takes)
        if behaviour.dies_in(attempt):
            self._end_process()
        result = behaviour.result_of(attempt)
        if (reason := behaviour.failure_of(attempt)) is not None:
            raise StepFailed(reason, result)
        return outcome_of(json_data(result, "the result")) if model is CeleryTask else result

    def _end_process(self) -> None:
        if self._die is None:
            raise StepFailed("it dies, but nothing is said of what comes then: a test file says it with then")
        self._dead = True
        self._die()
        raise StepFailed(_DIED)

    async def answer(self, question: Question, scope: Scope) -> Answer | None:
        """What a person says who is asked; None where nobody does in time."""
        is_step = question.key == scope.turn
        behaviour = self._behaviour(scope) if is_step else self._of_all(question.about)
        reply, takes = behaviour.answer, behaviour.takes if is_step else 0.0
        if reply.approved is None or takes > question.timeout:
            await present().sleep(question.timeout)
            return None
        await present().sleep(takes)
        return Answer(reply.approved, reply.by, "", reply.comment)

    def _of_all(self, path: str) -> Behaviour:
        """How a step behaves before its executions: as the first of them."""
        acts = self._behaviours.get(path, _IDLE)
        while not isinstance(acts, Behaviour):
            acts = next(iter(acts), _IDLE)
        return acts

    def _told(self, model: type[Leaf], scope: Scope) -> bool:
        """Whether the step is said to do something else than what it would do."""
        said = self._behaviour(scope).model_fields_set - {"answer"}
        return bool(said - {"takes"} if model is Approval else said)

    def _behaviour(self, scope: Scope) -> Behaviour:
        acts = self._behaviours.get(scope.path, _IDLE)
        for spot in scope.spots:
            if isinstance(acts, Behaviour):
                break
            acts = acts[spot.index] if spot.index < len(acts) else _IDLE
        if isinstance(acts, Behaviour):
            return acts
        raise StepFailed(f"a list holds the behaviours of {scope.path}, which does not fan out that deep")
