"""Random documents of the whole language: whatever happens, every run ends and leaves nothing half-way."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.lists import every_step
from codegen.result import FINAL, Report, StepRecord
from codegen.step import StepBase
from codegen.workflow import Workflow
from steps.errors import StepFailed
from steps.events import Event
from steps.interpreter import Executors, interpret
from steps.kinds import EXECUTORS
from steps.scope import Outcome, Scope
from steps.workflow_run import WorkflowRun
from tests.unit.random_documents import Spec, whole_documents


@dataclass
class Chance:
    """Commands that end by chance, the same one with every seed, and what listeners hear of them."""

    seed: int
    at_work: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    events: list[Event] = field(default_factory=list)
    run: WorkflowRun | None = None
    cancel_at: int | None = None

    async def __call__(self, scope: Scope, /, **fields: Any) -> Outcome:
        """One try."""
        scope.attempts += 1
        self.tries[scope.key] += 1
        rng = Random(f"{self.seed} {scope.key} {self.tries[scope.key]}")
        self.at_work[scope.key] += 1
        assert self.at_work[scope.key] == 1, f"{scope.key} is done twice at once"
        try:
            for _ in range(rng.randrange(6)):
                await asyncio.sleep(0)
        finally:
            self.at_work[scope.key] -= 1
        if rng.random() < 0.25:
            raise StepFailed("by chance", 1)
        return Outcome(1, stops=rng.random() < 0.03)

    def hear(self, event: Event) -> None:
        """Cancels the run when it has heard enough."""
        self.events.append(event)
        if self.run is not None and len(self.events) == self.cancel_at:
            self.run.cancel()

    def prepared(self, document: Workflow) -> WorkflowRun:
        """A run of the document."""
        executors: Executors = {**EXECUTORS, "command": self}
        self.run = interpret(document, run_id="r", listener=self.hear, executors=executors)
        return self.run


def flat(record: StepRecord) -> Iterator[StepRecord]:
    """A record and all its items."""
    yield record
    for item in record.items:
        yield from flat(item)


def check(document: Workflow, report: Report, chance: Chance) -> None:
    """What holds of every run that has ended."""
    assert set(report.steps) == {one.id for _, one in every_step(document)}
    for id, record in report.steps.items():
        for one in flat(record):
            assert one.status in FINAL, f"{id} is {one.status}"
            assert (one.status not in ("failed", "blocked")) or one.error is not None, id
            assert one.ended_at is None or one.started_at is not None
    assert not +chance.at_work
    assert report.success == (report.error is None and not report.cancelled)
    starts = Counter(event.label for event in chance.events if event.kind == "started")
    ends = Counter(event.label for event in chance.events if event.kind == "ended")
    assert not starts - ends
    _check_undos(document, report)


def _check_undos(document: Workflow, report: Report) -> None:
    """After a success nothing is undone; after a failure of the main steps all that they had done."""
    for one in document.steps:
        if not one.rollback or one.for_each:
            continue
        first, record = one.rollback[0], report.steps[one.id]
        done = record.status == "succeeded" and record.error is None
        if report.success or not done:
            assert report.steps[first.id].status == "skipped"
        elif not document.finally_ and _has_no_conditions(first):
            assert report.steps[first.id].status != "skipped"


def _has_no_conditions(one: StepBase) -> bool:
    return one.enabled and one.when is None and one.run_if != "failed"


QUICKLY = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@QUICKLY
@given(whole_documents(), st.integers(0, 1000))
async def test_every_run_ends(spec: Spec, seed: int) -> None:
    """All records are final, and every start that was told has its end."""
    document, chance = Workflow.model_validate(spec), Chance(seed)
    report = await chance.prepared(document).run()
    check(document, report, chance)


@QUICKLY
@given(whole_documents(), st.integers(0, 1000), st.integers(1, 30))
async def test_every_cancelled_run_ends(spec: Spec, seed: int, moment: int) -> None:
    """At whatever moment it is cancelled: also while handlers or undos run."""
    document, chance = Workflow.model_validate(spec), Chance(seed, cancel_at=moment)
    report = await chance.prepared(document).run()
    check(document, report, chance)
    assert report.cancelled or len(chance.events) < moment


@QUICKLY
@given(whole_documents(), st.integers(0, 1000))
async def test_the_same_steps_end_alike(spec: Spec, seed: int) -> None:
    """A run is not a matter of luck where its steps are not."""
    document = Workflow.model_validate(spec)
    first, second = [await Chance(seed).prepared(document).run() for _ in range(2)]
    assert {id: one.status for id, one in first.steps.items()} == {
        id: one.status for id, one in second.steps.items()
    }


@QUICKLY
@given(whole_documents(), st.integers(0, 1000), st.integers(0, 40))
async def test_a_run_whose_task_is_cancelled_leaves_nobody_at_work(
    spec: Spec, seed: int, moment: int
) -> None:
    """The cancellation comes through when all has ended; nothing goes on behind it."""
    document, chance = Workflow.model_validate(spec), Chance(seed)
    task = asyncio.create_task(chance.prepared(document).run())
    for _ in range(moment):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert not +chance.at_work
    assert asyncio.all_tasks() == {asyncio.current_task()}
