"""Drives one list of steps: carries out what the conductor decides, and keeps the records."""

import asyncio
from collections.abc import Iterable
from typing import Any

from codegen.result import StepError, StepRecord, StepStatus
from codegen.schedule import Change, Conductor
from codegen.schedule import Outcome as Verdict
from steps.errors import StepFailed
from steps.events import now
from steps.records import ended, gathered, refused
from steps.scope import Outcome, Scope, Surroundings
from steps.work import Work


class Driver:
    """Runs the works of one section. Steps start the moment their own dependencies allow."""

    def __init__(
        self, works: Iterable[Work], surroundings: Surroundings, error: StepError | None = None
    ) -> None:
        self._works = {work.id: work for work in works}
        self._conductor = Conductor(work.node for work in self._works.values())
        self._children: dict[str, list[str]] = {}
        for work in self._works.values():
            self._children.setdefault(work.node.parent or "", []).append(work.id)
        self._around = surroundings
        self._error = error
        self._running: dict[asyncio.Task[None], str] = {}
        self._cancelled = False
        self._stops: set[str] = set()

    async def run(self) -> Verdict:
        """Run to the end; the records are in the surroundings' `steps`."""
        self._around.steps.update({id: StepRecord() for id in self._works})
        self._apply(self._conductor.begin())
        try:
            while self._running:
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    del self._running[task]
                    task.result()
        except BaseException:
            await self._abandon()
            raise
        return self._conductor.outcome

    def cancel(self) -> None:
        """End what runs, start nothing more."""
        self._cancelled = True
        self._apply(self._conductor.stop("cancelled"))
        for task in self._running:
            task.cancel()

    async def _abandon(self) -> None:
        self.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

    def _apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.status == "ready":
                self._start(self._works[change.id])
            else:
                self._note(change.id, change.status)

    def _start(self, work: Work) -> None:
        self._conductor.started(work.id)
        task = asyncio.create_task(self._step(work), name=work.id)
        self._running[task] = work.id

    async def _step(self, work: Work) -> None:
        begun = now()
        self._record(work.id, StepRecord(status="running", started_at=begun))
        try:
            if work.perform is None:
                self._open(work)
                return
            record = await (self._fan_out(work) if work.fans_out else self._execute(work, self._scope(work)))
        except StepFailed as failure:
            record = refused(failure, work.id)
        except asyncio.CancelledError:
            if not self._cancelled:
                raise
            record = StepRecord(status="cancelled", error=StepError(message="cancelled", step=work.id))
        self._record(work.id, record.model_copy(update={"started_at": begun, "ended_at": now()}))
        self._finish(work, record.status)

    def _finish(self, work: Work, status: StepStatus) -> None:
        self._apply(self._conductor.end(work.id, status))  # type: ignore[arg-type]
        if work.id in self._stops:
            self._apply(self._conductor.stop("succeeded"))

    def _open(self, work: Work) -> None:
        holds = work.when is None or bool(self._scope(work).evaluate(work.when))
        if work.chooses:
            self._apply(self._conductor.open(work.id, "then" if holds else "else"))
        elif holds:
            self._apply(self._conductor.open(work.id))
        else:
            self._apply(self._conductor.end(work.id, "skipped"))

    async def _fan_out(self, work: Work) -> StepRecord:
        pairs = work.executions(self._scope(work))
        places = asyncio.Semaphore(work.max_parallel or max(1, len(pairs)))
        items: list[StepRecord] = [StepRecord(target=target, item=item) for target, item in pairs]

        async def one(index: int, target: str | None, item: Any) -> None:
            async with places:
                items[index] = await self._execute(
                    work, self._scope(work, target=target, item=item, index=index)
                )

        try:
            async with asyncio.TaskGroup() as group:
                for index, (target, item) in enumerate(pairs):
                    group.create_task(one(index, target, item))
        except asyncio.CancelledError:
            if not self._cancelled:
                raise
            items = [item if item.status != "pending" else _never_begun(item) for item in items]
        return gathered(items)

    async def _execute(self, work: Work, scope: Scope) -> StepRecord:
        """One execution: its own `when`, then all its tries."""
        begun = now()
        try:
            if work.when is not None and not scope.evaluate(work.when):
                return ended(scope, "skipped", begun)
            scope.tell("started")
            assert work.perform is not None
            outcome: Outcome = await work.perform(scope)
        except StepFailed as failure:
            record = ended(scope, "failed", begun, Outcome(failure.result), failure.message)
        except asyncio.CancelledError:
            record = ended(scope, "cancelled", begun, message="cancelled")
            if not self._cancelled:
                raise
        else:
            record = ended(scope, "succeeded", begun, outcome)
            if outcome.stops:
                self._stops.add(work.id)
        scope.tell("ended", status=record.status, text=record.error.message if record.error else "")
        return record

    def _scope(self, work: Work, **place: Any) -> Scope:
        return Scope(self._around, work.id, error=self._error, **place)

    def _note(self, step: str, status: Verdict) -> None:
        """A group ended, or a step ended without having run."""
        before = self._around.steps[step]
        error = None
        if status == "failed":
            children = map(self._around.steps.__getitem__, self._children.get(step, ()))
            error = next((child.error for child in children if child.error), None)
        elif status == "blocked":
            error = StepError(message="a step it depends on failed", step=step)
        ended_at = now() if before.started_at else None
        self._record(step, before.model_copy(update={"status": status, "error": error, "ended_at": ended_at}))

    def _record(self, step: str, record: StepRecord) -> None:
        self._around.steps[step] = record


def _never_begun(item: StepRecord) -> StepRecord:
    return item.model_copy(update={"status": "cancelled"})
