"""One run of a workflow from its first step to its report, on either engine."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from codegen.durations import format_duration
from codegen.result import Receipt, Report, StepError
from codegen.schedule import Ending
from codegen.suggestions import listed
from steps.again import done_before, kept, owners
from steps.causes import any_lost, first_failure
from steps.clock import present
from steps.data import json_data
from steps.driver import Driver
from steps.entries import Entry
from steps.errors import StepFailed
from steps.events import Event, now
from steps.frame import Frame
from steps.halt import Halt
from steps.kept_log import KeptLog
from steps.receipts import receipt_of
from steps.records import Part, error_of, placed
from steps.scope import Scope, Surroundings, Undo
from steps.step_count import StepCount
from steps.work import NOT_NEEDED, Work, below, blank, inside

SETTLING = 0.1

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
        self._count = StepCount(work.id for work in inside(plan.steps) if work.perform is not None)
        self._listener = surroundings.listener
        self._around = replace(surroundings, listener=self._hear)
        self._driver: Driver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.cancelled = False
        self._asked_at: datetime | None = None
        self._ended_before: frozenset[str] = frozenset()
        """Steps that were cancelled before the run was: a race had been decided, or time had run out."""
        self._timed_out: StepError | None = None
        self._main_halt = Halt()
        self._not_undone: list[StepError] = []
        self._around.steps.update(blank((*plan.steps, *plan.on_failure, *plan.finally_)))

    async def run(self) -> Report:
        """Run to the end."""
        self._loop = asyncio.get_running_loop()
        self._take_up()
        try:
            with present().handed_over():
                return await self._report()
        finally:
            self._loop = None

    def cancel(self) -> None:
        """End what runs and start no further main step."""
        self.cancelled = True
        self._asked_at = self._asked_at or now()
        loop = self._loop
        if loop:
            loop.call_soon_threadsafe(self._end_main)

    def _take_up(self) -> None:
        """Go on where an earlier life of the run was cut off, or keep what the try before succeeded in."""
        around, plan = self._around, self._plan
        last = (*plan.on_failure, *plan.finally_)
        if self._is_outermost:
            around.journal.owners = owners((*plan.steps, *last))

        def keep(past: Sequence[Entry], first: str | None) -> list[Entry]:
            return kept(plan.steps, past, around.run_id, first, last=last)

        held = around.journal.settle(around.run_id, keep)
        if self._is_outermost and (done := done_before(held, around.run_id)):
            self._hear(Event("kept", "", text=listed(done)))
        if self.cancelled:
            around.journal.cancel(around.run_id)
        self._asked_at = around.journal.asked_to_end(around.run_id) or self._asked_at
        if around.journal.cancelled(around.run_id) or (self.cancelled and around.journal.has_past):
            self._main_halt.closed = self.cancelled = True

    @property
    def _is_outermost(self) -> bool:
        return self._around.run_id == self._around.journal.run_id

    async def _report(self) -> Report:
        start = self._around.journal.began if self._is_outermost else now()
        try:
            verdict, error = await self._main()
        except asyncio.CancelledError:
            if self._around.journal.abandoned:  # this life ends, not the run
                raise
            self.cancelled = True
            self._around.journal.cancel(self._around.run_id)
            await self._undo(None)
            await self._drive(self._plan.finally_, always=True)
            raise
        last = await self._drive(self._plan.finally_, error=error, always=True)
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
            receipt=self._receipt(start) if cancelled else None,
            steps=self._around.steps,
            logs=self._log.lines,
            start_time=start,
            end_time=now(),
        )

    def _receipt(self, start: datetime) -> Receipt:
        works = below((*self._plan.steps, *self._plan.on_failure))
        leaves = [work.id for work in works if work.perform is not None]
        return receipt_of(self._around.steps, leaves, self._asked_at or start, self._ended_before)

    async def _main(self) -> tuple[Ending, StepError | None]:
        """The main steps, and where they failed their undoing and the handlers."""
        verdict = await self._in_time(self._drive(self._plan.steps, self._main_halt))
        if self._around.journal.abandoned:
            raise asyncio.CancelledError
        error = self._timed_out
        if verdict == "failed":
            error = _then(self._cause(self._plan.steps), error)
        asks = any_lost(inside(self._plan.steps), self._around.steps) and not self.cancelled
        if (error or self.cancelled or verdict == "cancelled") and not asks:
            await self._undo(error)
        if error and not self.cancelled:
            await self._drive(self._plan.on_failure, error=error)
        else:
            self._leave_out(self._plan.on_failure)
        return ("failed" if error else verdict), error

    async def _in_time(self, main: Coroutine[Any, Any, Ending]) -> Ending:
        if self._plan.timeout is None:
            return await main
        timeout, journal = self._plan.timeout, self._around.journal
        left = timeout
        if self._is_outermost and journal.continued:
            left -= (now() - journal.began).total_seconds()
        if left <= 0 and not self.cancelled:
            self._main_halt.closed = True
            self._timed_out = _took_longer(timeout)
        timer = present().call_later(max(0.0, left), lambda: self._time_is_up(timeout))
        try:
            with nullcontext() if self._is_outermost else present().counting():
                return await main
        finally:
            timer.cancel()

    def _time_is_up(self, timeout: float) -> None:
        if not (self.cancelled or self._main_halt.closed) and self._driver and self._driver.cancel():
            self._timed_out = _took_longer(timeout)

    async def _undo(self, error: StepError | None) -> None:
        """Newest first, all of them: one that fails is named and holds up no other.

        Each once; one that a cancellation cut short is done again.
        """
        parts: dict[str, list[Part]] = {}
        try:
            for key, undo in sorted(self._around.undos.items(), key=_number, reverse=True):
                if self._around.journal.abandoned:
                    return
                around = replace(undo.scope.surroundings, halt=Halt(insists=True))
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

    def _end_main(self, left: int | None = None) -> None:
        """End what runs; `left`: so many ends of an earlier life were still to be taken a moment ago.

        They are waited for: what was done there is to be known, and perhaps undone.
        """
        journal = self._around.journal
        if left is None:
            journal.cancel(self._around.run_id)
            records = self._around.steps.items()
            self._ended_before |= {id for id, record in records if record.status == "cancelled"}
        if journal.left not in (0, left) and self._loop is not None:
            self._main_halt.closed = True
            self._loop.call_later(SETTLING, self._end_main, journal.left)
        elif self._driver is not None:
            self._driver.cancel()

    async def _drive(
        self,
        works: Iterable[Work],
        halt: Halt | None = None,
        *,
        error: StepError | None = None,
        always: bool = False,
    ) -> Ending:
        if always and self._around.journal.abandoned:
            return "cancelled"
        driver = Driver(works, Frame(replace(self._around, halt=halt or Halt(insists=always)), error=error))
        self._driver = None if always else driver
        if self.cancelled and not always and not self._main_halt.closed:
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
            self._listener(self._count.noted(event))
        except Exception:
            logger.exception("the listener of a run failed on %s of step %s", event.kind, event.label)


def _number(item: tuple[str, Undo]) -> int:
    return item[1].number


def _took_longer(timeout: float) -> StepError:
    message = f"the workflow took longer than its timeout of {format_duration(timeout)}"
    return StepError(message=message, step="")


def _then(cause: StepError, timed_out: StepError | None) -> StepError:
    """The error of a run that failed, and then took too long as well."""
    if timed_out is None:
        return cause
    return cause.model_copy(update={"message": f"{cause.message}; then {timed_out.message}"})
