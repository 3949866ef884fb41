"""One run of a workflow from its first step to its report, on either engine."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from codegen.durations import format_duration
from codegen.result import Report, StepError
from codegen.schedule import Ending
from steps.causes import first_failure
from steps.clock import present
from steps.data import json_data
from steps.driver import Driver
from steps.errors import StepFailed
from steps.events import Event, now
from steps.frame import Frame
from steps.halt import Halt
from steps.kept_log import KeptLog
from steps.records import Part, error_of, placed
from steps.scope import Scope, Surroundings
from steps.work import NOT_NEEDED, Work, below, blank

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """The works of the three lists of a document, parents before their children, and the run's outputs.

    `timeout` is for the main steps: what is done about their end has no limit.
    """

    steps: tuple[Work, ...]
    on_failure: tuple[Work, ...] = ()
    finally_: tuple[Work, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None


class WorkflowRun:
    """Runs the main steps, undoes them where they failed, does what the document says of that, and reports.

    `cancel` may be called at any time, also by a listener or from another thread: running steps are
    ended, no main step starts any more, and the always-steps still run. They also run when the task
    that runs it is cancelled; the cancellation goes on afterwards.
    """

    def __init__(self, plan: Plan, surroundings: Surroundings) -> None:
        self._plan = plan
        self._log = KeptLog()
        self._listener = surroundings.listener
        self._around = replace(surroundings, listener=self._hear)
        self._driver: Driver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.cancelled = False
        self._timed_out: StepError | None = None
        self._not_undone: list[StepError] = []
        self._around.steps.update(blank((*plan.steps, *plan.on_failure, *plan.finally_)))

    async def run(self) -> Report:
        """Run to the end."""
        self._loop = asyncio.get_running_loop()
        try:
            with present().handed_over():
                return await self._report()
        finally:
            self._loop = None

    def cancel(self) -> None:
        """End what runs and start no further main step."""
        self.cancelled = True
        loop = self._loop
        if loop:
            loop.call_soon_threadsafe(self._cancel_driver)

    async def _report(self) -> Report:
        start = now()
        try:
            verdict, error = await self._main()
        except asyncio.CancelledError:
            self.cancelled = True
            await self._undo(None)
            await self._drive(self._plan.finally_, always=True)
            raise
        last = await self._drive(self._plan.finally_, error, always=True)
        if error is None and last == "failed":
            error = self._cause(self._plan.finally_)
        cancelled = self.cancelled or "cancelled" in (verdict, last)
        outputs: dict[str, object] = {}
        if error is None and not cancelled:
            outputs, error = self._outputs()
        return Report(
            success=error is None and not cancelled,
            cancelled=cancelled,
            outputs=outputs,
            error=error,
            not_undone=tuple(self._not_undone),
            steps=self._around.steps,
            logs=self._log.lines,
            start_time=start,
            end_time=now(),
        )

    async def _main(self) -> tuple[Ending, StepError | None]:
        """The main steps, and where they failed their undoing and the handlers."""
        verdict = await self._in_time(self._drive(self._plan.steps))
        error = self._timed_out
        if verdict == "failed":
            error = _then(self._cause(self._plan.steps), error)
        if error or self.cancelled or verdict == "cancelled":
            await self._undo(error)
        if error and not self.cancelled:
            await self._drive(self._plan.on_failure, error)
        else:
            self._leave_out(self._plan.on_failure)
        return ("failed" if error else verdict), error

    async def _in_time(self, main: Coroutine[Any, Any, Ending]) -> Ending:
        if self._plan.timeout is None:
            return await main
        timeout = self._plan.timeout
        timer = present().call_later(timeout, lambda: self._time_is_up(timeout))
        try:
            return await main
        finally:
            timer.cancel()

    def _time_is_up(self, timeout: float) -> None:
        if not self.cancelled and self._driver is not None and self._driver.cancel():
            message = f"the workflow took longer than its timeout of {format_duration(timeout)}"
            self._timed_out = StepError(message=message, step="")

    async def _undo(self, error: StepError | None) -> None:
        """Newest first, all of them: one that fails is named and holds up no other.

        Each once; one that a cancellation cut short is done again.
        """
        parts: dict[str, list[Part]] = {}
        try:
            for key, undo in reversed(list(self._around.undos.items())):
                around = replace(undo.scope.surroundings, halt=Halt())
                scope = Scope(around, undo.scope.step, spots=undo.scope.spots, error=error)
                try:
                    await undo.steps(scope)
                except StepFailed as failure:
                    self._not_undone.append(error_of(scope, failure.message))
                finally:
                    for id, record in scope.inner.items():
                        parts.setdefault(id, []).append((scope.spots, record))
                del self._around.undos[key]
        finally:
            for id, records in parts.items():
                self._around.steps[id] = placed(self._around.steps[id], records)

    def _cancel_driver(self) -> None:
        if self._driver:
            self._driver.cancel()

    async def _drive(
        self, works: Iterable[Work], error: StepError | None = None, *, always: bool = False
    ) -> Ending:
        driver = Driver(works, Frame(replace(self._around, halt=Halt()), error=error))
        self._driver = None if always else driver
        if self.cancelled and not always:
            driver.cancel()
        return await driver.run()

    def _leave_out(self, works: Iterable[Work]) -> None:
        self._around.steps.update({work.id: NOT_NEEDED for work in below(works)})

    def _cause(self, works: Iterable[Work]) -> StepError:
        cause = first_failure(works, self._around.steps)
        return cause or StepError(message="failed, and no step says why", step="")

    def _outputs(self) -> tuple[dict[str, object], StepError | None]:
        scope = Scope(self._around, "outputs")
        try:
            return {
                name: json_data(scope.render(text), f"output {name!r}")
                for name, text in self._plan.outputs.items()
            }, None
        except StepFailed as failure:
            return {}, StepError(message=failure.message, step="outputs")

    def _hear(self, event: Event) -> None:
        """A listener that fails must not fail the step that it was told of."""
        self._log.add(event)
        try:
            self._listener(event)
        except Exception:
            logger.exception("the listener of a run failed on %s of step %s", event.kind, event.label)


def _then(cause: StepError, timed_out: StepError | None) -> StepError:
    """The error of a run that failed, and then took too long as well."""
    if timed_out is None:
        return cause
    return cause.model_copy(update={"message": f"{cause.message}; then {timed_out.message}"})
