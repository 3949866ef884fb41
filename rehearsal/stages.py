"""Where a case is run: by the interpreter, as a Celery worker would, or as the generated Prefect flow.

On both the same executors are called; the actors of the case answer in their place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from codegen.decision import EngineName
from codegen.registry import Registry
from codegen.result import Report
from rehearsal.course import Course, main_leaves
from rehearsal.reading import Rehearsal
from steps.acting import Actors
from steps.approval import asked_instead
from steps.clock import VirtualClock, keeping, present
from steps.events import Event
from steps.executor import rehearsed
from steps.interpreter import interpret
from steps.testing import Recorder


class NoReport(Exception):
    """A run ended without saying how it went."""


class Audience(Recorder):
    """Keeps every event; cancels the run some time after its first one, where the case wants that."""

    def __init__(self, cancel_after: float | None) -> None:
        super().__init__()
        self._cancel_after = cancel_after
        self.cancel: Callable[[], object] = lambda: None

    def __call__(self, event: Event) -> None:
        if not self.events and self._cancel_after is not None:
            present().call_later(self._cancel_after, self.cancel)
        super().__call__(event)


@contextmanager
def staged(rehearsal: Rehearsal) -> Iterator[None]:
    """Runs inside the block are rehearsals of the case: without effects, and without taking time."""
    actors = Actors(rehearsal.case.leaves)
    with keeping(VirtualClock()), rehearsed(actors), asked_instead(actors.answer):
        yield


def performed(rehearsal: Rehearsal, engine: EngineName, registry: Registry) -> Course:
    """Run a case on an engine. Prefect needs an API; `registry` is where its flow is stored."""
    play = interpreted(rehearsal) if engine == "celery" else generated(rehearsal, registry)
    with staged(rehearsal):
        return asyncio.run(play)


async def interpreted(rehearsal: Rehearsal) -> Course:
    """What a Celery worker does with the document."""
    case = rehearsal.case
    audience = Audience(case.cancel_after)
    run = interpret(
        rehearsal.workflow,
        run_id=str(uuid4()),
        parameters=case.parameters,
        targets=rehearsal.targets,
        listener=audience,
    )
    audience.cancel = run.cancel
    report = await run.run()
    return Course(report, _reason(rehearsal, report), tuple(audience.events))


async def generated(rehearsal: Rehearsal, registry: Registry) -> Course:
    """The flow that is generated from the document, in Prefect."""
    from codegen.parameters import check_values
    from codegen.render import flow_arguments, render
    from flows.session import Session, entered

    case, workflow = rehearsal.case, rehearsal.workflow
    audience = Audience(case.cancel_after)
    # Formatted it would mean the same and take longer.
    flow = registry.load(registry.store(workflow, render(workflow, formatted=False)))
    values = check_values(workflow.parameters, case.parameters)
    with entered(Session(str(uuid4()), audience, registry=registry)) as session:
        audience.cancel = session.cancel
        state = await flow(**flow_arguments(workflow, values, rehearsal.targets), return_state=True)
    if session.report is None:
        raise NoReport(f"the generated flow ended {state.name} without a report: {state.message}")
    return Course(session.report, _reason(rehearsal, session.report), tuple(audience.events))


def _reason(rehearsal: Rehearsal, report: Report) -> str | None:
    from flows.endings import why  # imports Prefect, which takes a second

    return why(report, main_leaves(rehearsal.workflow))
