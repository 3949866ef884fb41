"""Drives one list of steps: carries out what the conductor decides, and keeps the records."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from codegen.result import StepRecord
from codegen.schedule import Change, Conductor, Ending
from steps.causes import first_failure, why_blocked
from steps.errors import StepFailed
from steps.events import now
from steps.execution import Execution
from steps.frame import Frame
from steps.records import error_of, refused
from steps.scope import Scope
from steps.work import Work


class Driver:
    """Runs the works of one list. Steps start the moment their own dependencies allow.

    A race ends with the success of `enough` steps of its top level; what still runs then is cancelled.
    `when_cut` hears at once that the task which runs the list is cancelled.
    """

    def __init__(
        self,
        works: Iterable[Work],
        frame: Frame,
        enough: int | None = None,
        when_cut: Callable[[], None] = lambda: None,
    ) -> None:
        self._works = {work.id: work for work in works}
        self._conductor = Conductor(work.node for work in self._works.values())
        self._frame = frame
        self._steps = frame.surroundings.steps
        self._enough = enough
        self._when_cut = when_cut
        self._running: dict[asyncio.Task[StepRecord], Execution] = {}
        self._ended: asyncio.Queue[asyncio.Task[StepRecord]] = asyncio.Queue()
        self._held: list[tuple[str, StepRecord]] = []
        self.cut_short = False
        """An earlier life saw its steps being ended from outside, before they had decided anything."""
        self._cancelled = False

    async def run(self, branch: str | None = None) -> Ending:
        """Run to the end; the records are in the surroundings' `steps`."""
        with self._frame.surroundings.halt.heard(self._skip_the_rest):
            self._apply(self._conductor.begin(branch))
            self._end_a_decided_race()
            await self._see_all_end()
        return self._outcome()

    async def _see_all_end(self) -> None:
        cancellation: asyncio.CancelledError | None = None
        while self._running:
            try:
                task = await self._ended.get()
            except asyncio.CancelledError as error:
                if cancellation is None:
                    cancellation = error
                    self._when_cut()
                self.cancel()
            else:
                self._close(task)
        if cancellation is not None:
            raise cancellation

    def cancel(self) -> bool:
        """End what runs, start nothing more. Asked again it does nothing: that would cut clean-up short.

        A listener must not call it: a step would be half-way. Tells whether there was anything left to end.
        """
        if self._cancelled:
            return False
        self._cancelled = True
        stopped = self._conductor.stop("cancelled")
        self._apply(stopped)
        return sum(task.cancel() for task in self._running) > 0 or bool(stopped)

    def _outcome(self) -> Ending:
        if self._enough is None:
            return self._conductor.outcome
        return self._conductor.race(self._enough) or "failed"

    def _apply(self, changes: Iterable[Change]) -> None:
        """A queue, not recursion: a long chain of groups that end at once must not exhaust the stack."""
        queue = deque(changes)
        while queue:
            change = queue.popleft()
            work = self._works[change.id]
            if change.status != "ready":
                self._note(work, change.status)
            elif work.is_frame:
                queue.extend(self._open(work))
            else:
                self._start(work)

    def _start(self, work: Work) -> None:
        execution = Execution(work, self._frame)
        task = asyncio.create_task(execution.run(), name=work.id)
        self._running[task] = execution
        task.add_done_callback(self._ended.put_nowait)

    def _close(self, task: asyncio.Task[StepRecord]) -> None:
        """A step ended. A task that was cancelled before its first moment has no record of its own."""
        execution = self._running.pop(task)
        record = execution.cancelled() if task.cancelled() else task.result()
        self._steps[execution.id] = record
        if self._frame.surroundings.halt.closed and record.status == "cancelled":
            self._held.append((execution.id, record))  # before the list was ended the others went further
        else:
            self._end(execution.id, record)
        if not self._running and self._held:
            held, self._held = self._held, []
            self.cut_short = self._enough is None or self._conductor.race(self._enough) is None
            self._apply(self._conductor.stop("cancelled"))
            for id, cancelled in held:
                self._end(id, cancelled)

    def _end(self, id: str, record: StepRecord) -> None:
        self._apply(self._conductor.end(id, record.status))
        self._end_a_decided_race()

    def _skip_the_rest(self) -> None:
        self._apply(self._conductor.stop("skipped"))

    def _end_a_decided_race(self) -> None:
        if self._enough is not None and self._conductor.race(self._enough) is not None:
            self.cancel()

    def _open(self, work: Work) -> list[Change]:
        begun = now()
        self._steps[work.id] = StepRecord(status="running", started_at=begun)
        scope = self._scope(work)
        try:
            holds = work.when is None or bool(scope.evaluate(work.when))
            branch = work.branch(scope) if work.branch is not None and holds else None
        except StepFailed as failure:
            self._steps[work.id] = refused(failure, scope, begun)
            return self._conductor.end(work.id, "failed")
        if holds:
            return self._conductor.open(work.id, branch)
        self._note(work, "skipped")
        return self._conductor.end(work.id, "skipped")

    def _scope(self, work: Work) -> Scope:
        return self._frame.scope(work.id)

    def _note(self, work: Work, status: Ending) -> None:
        """A group ended, or a step ended without having run."""
        error = None
        if status == "failed":
            error = first_failure(self._works.values(), self._steps, under=work.id)
        elif status == "blocked":
            error = error_of(self._scope(work), why_blocked(work, self._steps))
        begun = self._steps[work.id].started_at
        record = StepRecord(status=status, error=error, started_at=begun, ended_at=now() if begun else None)
        self._steps[work.id] = record
        if not work.is_frame:
            Execution(work, self._frame).left_out(record)
