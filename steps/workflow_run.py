"""One run of a workflow from its first step to its report, on either engine."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from codegen.result import LogLine, Report, StepError, StepRecord
from codegen.schedule import Outcome as Verdict
from steps.driver import Driver
from steps.errors import StepFailed
from steps.events import Event, now
from steps.scope import Scope, Surroundings
from steps.work import Work

KEPT_LINES = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """The works of the three lists of a document, and the run's outputs."""

    steps: tuple[Work, ...]
    on_failure: tuple[Work, ...] = ()
    finally_: tuple[Work, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


class WorkflowRun:
    """Runs the main steps, then what the document says of failure and of the end, and reports.

    `cancel` may be called at any time from the same event loop: running steps are ended, no main step
    starts any more, and the always-steps still run.
    """

    def __init__(self, plan: Plan, surroundings: Surroundings) -> None:
        self._plan = plan
        self._lines: deque[LogLine] = deque(maxlen=KEPT_LINES)
        self._listener = surroundings.listener
        self._around = replace(surroundings, listener=self._hear)
        self._driver: Driver | None = None
        self.cancelled = False

    async def run(self) -> Report:
        """Run to the end."""
        start = now()
        verdict = await self._drive(self._plan.steps)
        error = self._cause(self._plan.steps) if verdict == "failed" else None
        if verdict == "failed" and not self.cancelled:
            await self._drive(self._plan.on_failure, error)
        last = await self._drive(self._plan.finally_, error, always=True)
        if error is None and last == "failed":
            error = self._cause(self._plan.finally_)
        outputs, error = self._outputs(error)
        return Report(
            success=error is None and not self.cancelled,
            cancelled=self.cancelled,
            outputs=outputs,
            error=error,
            steps=self._around.steps,
            logs=tuple(self._lines),
            start_time=start,
            end_time=now(),
        )

    def cancel(self) -> None:
        """End what runs and start no further main step."""
        self.cancelled = True
        if self._driver:
            self._driver.cancel()

    async def _drive(
        self, works: Iterable[Work], error: StepError | None = None, *, always: bool = False
    ) -> Verdict:
        driver = Driver(works, self._around, error)
        self._driver = None if always else driver
        if self.cancelled and not always:
            driver.cancel()
        return await driver.run()

    def _cause(self, works: Iterable[Work]) -> StepError:
        """The failure to report: the first step, in the order of the document, that failed by itself."""
        records = [(work, self._around.steps[work.id]) for work in works]
        counting = [(work, record) for work, record in records if not work.node.tolerated]
        for status in ("failed", "lost", "blocked"):
            for work, record in counting:
                if record.status == status and (work.perform or status == "blocked"):
                    return record.error or StepError(message=status, step=work.id)
        work, record = next((work, record) for work, record in counting if record.status == "failed")
        return record.error or StepError(message="failed", step=work.id)

    def _outputs(self, error: StepError | None) -> tuple[dict[str, object], StepError | None]:
        if error or self.cancelled:
            return {}, error
        try:
            return Scope(self._around, "outputs").render(dict(self._plan.outputs)), None
        except StepFailed as failure:
            return {}, StepError(message=f"outputs: {failure.message}", step="outputs")

    def _hear(self, event: Event) -> None:
        if event.kind == "line":
            self._lines.append(
                LogLine(
                    time=event.time, step=event.step, index=event.index, stream=event.stream, text=event.text
                )
            )
        self._listener(event)


def completed(steps: Mapping[str, StepRecord], leaves: Iterable[str]) -> int:
    """How many leaf steps ended well: succeeded, or skipped by their own condition."""
    return sum(steps[id].status in ("succeeded", "skipped") for id in leaves)
