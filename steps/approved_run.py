"""A run of a document that begins when a person has said yes. Otherwise nothing of it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

from codegen.result import Report, StepError, StepRecord
from steps.approval import permission, start_of
from steps.errors import StepFailed
from steps.events import now
from steps.receipts import receipt_of
from steps.scope import Running, Scope, Surroundings
from steps.work import NOT_NEEDED, Work, blank, inside
from steps.workflow_run import Plan, WorkflowRun

START = "start"
"""What the question of a whole run is about; of a document that a step runs it is that step."""


def run_of(plan: Plan, surroundings: Surroundings, *, requires_approval: bool) -> Running:
    """A run of the plan, after a person's yes where it takes one."""
    return (ApprovedRun if requires_approval else WorkflowRun)(plan, surroundings)


class ApprovedRun:
    """As a `WorkflowRun`, after the answer."""

    def __init__(self, plan: Plan, surroundings: Surroundings) -> None:
        self._run = WorkflowRun(plan, surroundings)
        self._plan = plan
        self._around = surroundings
        self._cancelled = False
        self._asked_at: datetime | None = None
        self._asking: asyncio.Task[None] | None = None

    async def run(self) -> Report:
        """Ask, and after a yes run to the end."""
        begun = now()
        self._asking = asyncio.create_task(self._asked())
        if self._cancelled:
            self._asking.cancel()
        try:
            await self._asking
        except StepFailed as failure:
            error = StepError(message=f"it was not to start: {failure.message}", step="")
            return Report(success=False, error=error, steps=self._denied(), start_time=begun, end_time=now())
        except asyncio.CancelledError:
            if not self._cancelled:
                raise
            return self._cancelled_before(begun)
        finally:
            self._asking = None
        return await self._run.run()

    def cancel(self) -> None:
        """End what runs, or the wait. May be called at any time, also from another thread."""
        self._cancelled = True
        self._asked_at = self._asked_at or now()
        self._run.cancel()
        if (asking := self._asking) is not None:
            asking.get_loop().call_soon_threadsafe(asking.cancel)

    async def _asked(self) -> None:
        scope = Scope(self._around, START)
        about = self._around.path.rstrip("/") or START
        await permission(start_of("a run", f"{scope.turn}.approval", about, scope), scope)

    def _cancelled_before(self, begun: datetime) -> Report:
        steps = _all(self._plan, StepRecord(status="cancelled"))
        leaves = [work.id for work in inside(self._plan.steps) if work.perform is not None]
        return Report(
            success=False,
            cancelled=True,
            receipt=receipt_of(steps, leaves, self._asked_at or begun),
            steps=steps,
            start_time=begun,
            end_time=now(),
        )

    def _denied(self) -> dict[str, StepRecord]:
        found = _all(self._plan, NOT_NEEDED)
        for id in blank(self._plan.steps):
            error = StepError(message="blocked because the run was not to start", step=id)
            found[id] = StepRecord(status="blocked", error=error)
        return found


def _all(plan: Plan, record: StepRecord) -> dict[str, StepRecord]:
    works: Iterable[Work] = (*plan.steps, *plan.on_failure, *plan.finally_)
    return dict.fromkeys(blank(works), record)
