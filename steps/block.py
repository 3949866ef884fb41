"""Steps that are run as one inside an execution of another step: a group's, a handler's, an undo's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from codegen.result import StepError, StepRecord, StepStatus
from codegen.schedule import Ending
from codegen.step import Join, Retry
from steps.causes import any_lost, first_failure
from steps.driver import Driver
from steps.errors import InnerFailed, InnerLost
from steps.frame import Frame
from steps.records import error_of
from steps.scope import Outcome, Scope, Surroundings
from steps.timing import limited, timed_out
from steps.tries import with_retries
from steps.work import Branch, Work, blank, inside


def enough(wait_for: Join) -> int | None:
    """How many steps must win a race; None: it is none, and all must succeed."""
    return {"all": None, "any": 1}[wait_for] if isinstance(wait_for, str) else wait_for


@dataclass(frozen=True, slots=True)
class Block:
    """A list of steps with what a group may say of it as a whole. `enough`: a race that so many must win."""

    works: tuple[Work, ...]
    branch: Branch | None = None
    enough: int | None = None
    retry: Retry | None = None
    timeout: float | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, scope: Scope, error: StepError | None = None) -> Outcome:
        """Run the steps; their records are in `scope.inner` afterwards."""

        async def once(scope: Scope) -> Outcome:
            if error is None:  # else it handles a failure, which is no try of the step
                scope.attempts += 1
            number = scope.attempts if error is None else 0
            return await self._tried(scope, number, error or scope.error)

        halt = scope.surroundings.halt

        def again() -> bool:
            return scope.was_done_again(work.id for work in inside(self.works))

        def over() -> bool:
            return halt.called or (halt.closed and not again())

        return await with_retries(once, self.retry, scope, unless=over, at_once=again)

    async def _tried(self, scope: Scope, number: int, error: StepError | None) -> Outcome:
        """One try. One that an earlier life saw being ended from outside is only brought to the same end."""
        around = scope.surroundings
        cut = None if around.halt.insists else around.journal.was_cut(scope.key, number)
        if cut is None:
            async with limited(self.timeout) as limit:

                def note() -> None:
                    status: StepStatus = "failed" if limit is not None and limit.expired() else "cancelled"
                    around.journal.cut(scope.key, StepRecord(status=status, attempts=number))

                return await self._once(scope, error, note)
        await self._driven(scope, error, replace(around, halt=around.halt.closed_inside()))
        if cut.status == "failed" and self.timeout is not None:
            raise timed_out(self.timeout)
        raise asyncio.CancelledError

    async def _once(self, scope: Scope, error: StepError | None, when_cut: Callable[[], None]) -> Outcome:
        around = scope.surroundings
        ending, steps = await self._driven(scope, error, around, when_cut)
        if ending == "cancelled" and around.halt.closed:
            raise asyncio.CancelledError
        if ending != "succeeded":
            cause = self._cause(steps, scope)
            raise InnerLost(cause) if any_lost(self.works, steps) else InnerFailed(cause)
        inside = Scope(replace(around, steps=steps), scope.step, spots=scope.spots, error=error)
        return inside.outputs(Outcome(), self.outputs)

    async def _driven(
        self,
        scope: Scope,
        error: StepError | None,
        around: Surroundings,
        when_cut: Callable[[], None] = lambda: None,
    ) -> tuple[Ending, dict[str, StepRecord]]:
        # A copy: what runs side by side in another execution has records of its own under the same ids.
        fresh = blank(self.works)
        steps = {**around.steps, **scope.inner, **fresh}
        frame = Frame(replace(around, steps=steps), scope.spots, error)
        driver = Driver(self.works, frame, self.enough, when_cut)
        branch = self.branch(scope) if self.branch is not None else None
        try:
            ending = await driver.run(branch)
            return "cancelled" if driver.cut_short else ending, steps
        finally:
            scope.inner.update({id: steps[id] for id in fresh})

    def _cause(self, steps: Mapping[str, StepRecord], scope: Scope) -> StepError:
        cause = first_failure(self.works, steps)
        if cause is None and self.enough is not None:  # here a tolerated failure counts, too
            cause = next((steps[work.id].error for work in self.works if steps[work.id].error), None)
        if cause is None:
            return error_of(scope, "failed, and no step says why")
        if self.enough is None:
            return cause
        won = sum(steps[work.id].status == "succeeded" for work in self.works if work.node.parent is None)
        message = f"{won} of the {self.enough} successes that wait_for asks for: {cause.message}"
        return cause.model_copy(update={"message": message})
