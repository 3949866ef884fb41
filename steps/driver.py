"""Drives one list of steps: carries out what the conductor decides, and keeps the records."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from codegen.result import StepError, StepRecord
from codegen.schedule import Change, Conductor
from codegen.schedule import Outcome as Verdict
from steps.causes import first_failure, why_blocked
from steps.errors import StepFailed
from steps.events import now
from steps.records import cancelled, ended, gathered, refused
from steps.scope import Outcome, Scope, Surroundings
from steps.work import Perform, Work


class Driver:
    """Runs the works of one section. Steps start the moment their own dependencies allow."""

    def __init__(
        self, works: Iterable[Work], surroundings: Surroundings, error: StepError | None = None
    ) -> None:
        self._works = {work.id: work for work in works}
        self._conductor = Conductor(work.node for work in self._works.values())
        self._around = surroundings
        self._error = error
        self._running: dict[asyncio.Task[StepRecord], Work] = {}
        self._ended: asyncio.Queue[asyncio.Task[StepRecord]] = asyncio.Queue()
        self._stops: set[str] = set()
        self._around.steps.update({id: StepRecord() for id in self._works})

    async def run(self) -> Verdict:
        """Run to the end; the records are in the surroundings' `steps`."""
        try:
            self._apply(self._conductor.begin())
            while self._running:
                self._close(await self._ended.get())
        except BaseException:
            await self._abandon()
            raise
        return self._conductor.outcome

    def cancel(self) -> None:
        """End what runs, start nothing more. A listener must not call it: a step would be half-way."""
        self._apply(self._conductor.stop("cancelled"))
        for task in self._running:
            task.cancel()

    async def _abandon(self) -> None:
        self.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

    def _apply(self, changes: Iterable[Change]) -> None:
        """A queue, not recursion: a long chain of groups that end at once must not exhaust the stack."""
        queue = deque(changes)
        while queue:
            change = queue.popleft()
            work = self._works[change.id]
            if change.status != "ready":
                self._note(work, change.status)
            elif work.perform is None:
                queue.extend(self._open(work))
            else:
                self._start(work, work.perform)

    def _start(self, work: Work, perform: Perform) -> None:
        task = asyncio.create_task(self._leaf(work, perform), name=work.id)
        self._running[task] = work
        task.add_done_callback(self._ended.put_nowait)

    def _close(self, task: asyncio.Task[StepRecord]) -> None:
        """A leaf ended. A task that was cancelled before its first moment has no record of its own."""
        work = self._running.pop(task)
        record = self._told(self._scope(work), cancelled(work.id)) if task.cancelled() else task.result()
        self._around.steps[work.id] = record
        if work.id in self._stops:
            self._apply(self._conductor.stop("skipped"))
        self._apply(self._conductor.end(work.id, record.status))

    def _open(self, work: Work) -> list[Change]:
        begun = now()
        self._around.steps[work.id] = StepRecord(status="running", started_at=begun)
        try:
            holds = work.when is None or bool(self._scope(work).evaluate(work.when))
        except StepFailed as failure:
            self._around.steps[work.id] = refused(failure, work.id, begun)
            return self._conductor.end(work.id, "failed")
        if work.chooses:
            return self._conductor.open(work.id, "then" if holds else "else")
        if holds:
            return self._conductor.open(work.id)
        self._note(work, "skipped")
        return self._conductor.end(work.id, "skipped")

    async def _leaf(self, work: Work, perform: Perform) -> StepRecord:
        begun = now()
        self._around.steps[work.id] = StepRecord(status="running", started_at=begun)
        if not work.fans_out:
            return await self._execute(work, perform, self._scope(work))
        try:
            pairs = work.executions(self._scope(work))
        except StepFailed as failure:
            return self._told(self._scope(work), refused(failure, work.id, begun))
        if not pairs:
            return self._told(
                self._scope(work), StepRecord(status="skipped", started_at=begun, ended_at=now())
            )
        return gathered(await self._fan_out(work, perform, pairs), begun)

    async def _fan_out(
        self, work: Work, perform: Perform, pairs: Sequence[tuple[str | None, Any]]
    ) -> list[StepRecord]:
        """Every execution runs, whatever becomes of the others."""
        places = asyncio.Semaphore(work.max_parallel or len(pairs))
        records = [cancelled(work.id, target, item, index) for index, (target, item) in enumerate(pairs)]

        async def one(index: int, target: str | None, item: Any) -> None:
            async with places:
                scope = self._scope(work, target=target, item=item, index=index)
                records[index] = await self._execute(work, perform, scope)

        with suppress(asyncio.CancelledError):  # the records say what was cancelled
            async with asyncio.TaskGroup() as group:
                for index, (target, item) in enumerate(pairs):
                    group.create_task(one(index, target, item))
        return records

    async def _execute(self, work: Work, perform: Perform, scope: Scope) -> StepRecord:
        """One execution: its own `when`, then all its tries."""
        begun = now()
        try:
            if work.when is not None and not scope.evaluate(work.when):
                return self._told(scope, ended(scope, "skipped", begun))
            scope.tell("started")
            outcome = await perform(scope)
        except StepFailed as failure:
            record = ended(scope, "failed", begun, Outcome(failure.result), failure.message)
        except asyncio.CancelledError:
            record = ended(scope, "cancelled", begun, message="cancelled")
        except Exception as error:  # noqa: BLE001 - a step must not take the run with it
            record = ended(scope, "failed", begun, message=f"{type(error).__name__}: {error}")
        else:
            record = ended(scope, "succeeded", begun, outcome)
            if outcome.stops:
                self._stops.add(work.id)
        return self._told(scope, record)

    def _scope(self, work: Work, **place: Any) -> Scope:
        return Scope(self._around, work.id, error=self._error, **place)

    def _note(self, work: Work, status: Verdict) -> None:
        """A group ended, or a step ended without having run."""
        steps = self._around.steps
        error = None
        if status == "failed":
            error = first_failure(self._works.values(), steps, under=work.id)
        elif status == "blocked":
            error = why_blocked(work, steps)
        begun = steps[work.id].started_at
        record = StepRecord(status=status, error=error, started_at=begun, ended_at=now() if begun else None)
        steps[work.id] = record if work.perform is None else self._told(self._scope(work), record)

    def _told(self, scope: Scope, record: StepRecord) -> StepRecord:
        scope.tell("ended", status=record.status, text=record.error.message if record.error else "")
        return record
