"""Steps that behave as a test says, and a memory of what they did."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from codegen.result import Report, StepRecord
from codegen.workflow import Workflow
from steps.errors import StepFailed
from steps.interpreter import interpret
from steps.kinds import EXECUTORS
from steps.scope import Outcome, Scope
from steps.workflow_run import WorkflowRun

Spec = dict[str, Any]


def step(id: str, **more: Any) -> Spec:
    """A step whose behaviour the actor knows."""
    return {"id": id, "type": "command", "command": "true", **more}


def sequential(id: str, *steps: Spec, **more: Any) -> Spec:
    """Steps in turn."""
    return {"id": id, "type": "sequential", "steps": list(steps), **more}


def parallel(id: str, *steps: Spec, **more: Any) -> Spec:
    """Steps side by side."""
    return {"id": id, "type": "parallel", "steps": list(steps), **more}


def workflow(*steps: Spec, **more: Any) -> Workflow:
    """A document of these steps."""
    return Workflow.model_validate({"name": "n", "steps": list(steps), **more})


@dataclass
class Actor:
    """Stands in for commands. A step fails as often as `fails` says, by its name or by its place `a.0`.

    Those in `hangs` go on until somebody ends them; those in `stops` end the run. `did` has what was done, in
    order; `results` what a step gives, a list what it gives in each of its tries.
    """

    fails: dict[str, int] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    stops: set[str] = field(default_factory=set)
    results: dict[str, Any] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    began: asyncio.Condition = field(default_factory=asyncio.Condition)
    tries: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, /, **fields: Any) -> Outcome:
        """One try."""
        scope.attempts += 1
        place = ".".join([scope.step, *(str(spot.index) for spot in scope.spots)])
        self.did.append(place)
        self.tries[place] += 1
        async with self.began:
            self.began.notify_all()
        await asyncio.sleep(0)
        if {place, scope.step} & self.hangs:
            await asyncio.Event().wait()
        if self.tries[place] <= self.fails.get(place, self.fails.get(scope.step, 0)):
            message = f"{place} broke"
            raise StepFailed(message if scope.error is None else f"{message} after {scope.error.message}")
        result = self.results.get(place, self.results.get(scope.step))
        if isinstance(result, list):
            result = result[self.tries[place] - 1]
        return Outcome(result, stops=scope.step in self.stops)

    async def reached(self, place: str) -> None:
        """Wait until a step has begun."""
        async with self.began:
            await self.began.wait_for(lambda: place in self.did)

    def playing(self, document: Workflow, **more: Any) -> WorkflowRun:
        """A run with this actor."""
        return interpret(document, run_id="r", executors={**EXECUTORS, "command": self}, **more)

    async def run(self, *steps: Spec, **more: Any) -> Report:
        """Run these steps to the end."""
        return await self.playing(workflow(*steps, **more)).run()


def statuses(report: Report) -> dict[str, str]:
    """How each step ended."""
    return {id: record.status for id, record in report.steps.items()}


def items(record: StepRecord) -> list[str]:
    """How each execution of a step ended."""
    return [item.status for item in record.items]


def message(record: StepRecord) -> str:
    """Why a step failed."""
    assert record.error is not None
    return record.error.message


def unfinished(report: Report) -> list[str]:
    """The steps that have a record, or an item of one, that is not final."""
    return [id for id, record in report.steps.items() if not _is_final(record)]


def _is_final(record: StepRecord) -> bool:
    return record.status not in ("pending", "running") and all(map(_is_final, record.items))
