"""Where a case is run: by the interpreter, as a Celery worker would, or as the generated Prefect flow.

On both the same executors are called; the actors of the case answer in their place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from uuid import uuid4

from codegen.decision import EngineName
from codegen.registry import Registry
from codegen.result import Report
from rehearsal.course import Course
from rehearsal.form import LaterLife, Life
from rehearsal.lives import Kept, next_journal
from rehearsal.reading import Rehearsal
from steps.acting import Actors
from steps.approval import asked_instead
from steps.clock import VirtualClock, keeping
from steps.entries import Entry
from steps.events import Event
from steps.executor import rehearsed
from steps.interpreter import interpret
from steps.journal import Journal
from steps.testing import Recorder


class NoReport(Exception):
    """A run ended without saying how it went."""


class Audience(Recorder):
    """Keeps every event with its moment; cancels the run some time after the first, where that is wanted.

    After the death of the process there is nothing more to be seen.
    """

    def __init__(self, clock: VirtualClock, cancel_after: float | None) -> None:
        super().__init__()
        self.moments: list[float] = []
        self.died = False
        self._clock = clock
        self._cancel_after = cancel_after
        self.cancel: Callable[[], object] = lambda: None

    def __call__(self, event: Event) -> None:
        if self.died:
            return
        if not self.events and self._cancel_after is not None:
            self._clock.call_later(self._cancel_after, self.cancel)
        self.moments.append(self._clock.now)
        super().__call__(event)

    def die(self) -> None:
        """The process is dead from now on; what is still on its way in it comes to an end unseen."""
        self.died = True
        self.cancel()


def performed(rehearsal: Rehearsal, engine: EngineName, registry: Registry) -> list[Course]:
    """All lives of a case on an engine. Prefect needs an API; `registry` is where its flow is stored."""
    run = RehearsedRun(rehearsal, engine, registry)
    return [run.live(life) for life in rehearsal.case.lives.values()]


class RehearsedRun:
    """A run on an engine, without effects and without taking time. `entries`: what lives before it wrote."""

    def __init__(
        self,
        rehearsal: Rehearsal,
        engine: EngineName,
        registry: Registry | None = None,
        *,
        run_id: str | None = None,
        entries: Iterable[Entry] = (),
    ) -> None:
        self.run_id = run_id or str(uuid4())
        self.entries = list(entries)
        self.actors = Actors({})
        self._rehearsal = rehearsal
        self._play = self._interpreted if engine == "celery" else self._generated
        self._registry = registry

    def live(self, life: Life) -> Course:
        """The run once more, until it ends or its process dies."""
        clock = VirtualClock()
        audience = Audience(clock, life.cancel_after)
        store = Kept(self.entries, lambda: audience.died)
        journal = next_journal(self.run_id, store, life.from_ if isinstance(life, LaterLife) else None)
        self.actors.in_another_life(life.leaves, audience.die)
        with keeping(clock), rehearsed(self.actors), asked_instead(self.actors.answer):
            report = asyncio.run(self._play(audience, journal))
        journal.over()
        self.entries = store.entries
        seen = tuple(audience.events), tuple(audience.moments)
        if audience.died or report is None:
            return Course(None, None, *seen)
        return Course(report, self._reason(report), *seen)

    async def _interpreted(self, audience: Audience, journal: Journal) -> Report:
        """What a Celery worker does with the document."""
        run = interpret(
            self._rehearsal.workflow,
            run_id=self.run_id,
            parameters=self._rehearsal.case.parameters,
            targets=self._rehearsal.targets,
            listener=audience,
            journal=journal,
        )
        audience.cancel = run.cancel
        return await run.run()

    async def _generated(self, audience: Audience, journal: Journal) -> Report | None:
        """The flow that is generated from the document, in Prefect."""
        from codegen.parameters import check_values
        from codegen.render import flow_arguments, render
        from flows.session import Session, entered

        workflow, registry = self._rehearsal.workflow, self._registry
        assert registry is not None  # noqa: S101 - who asks for Prefect says where its flow is kept
        # Formatted it would mean the same and take longer.
        flow = registry.load(registry.store(workflow, render(workflow, formatted=False)))
        values = check_values(workflow.parameters, self._rehearsal.case.parameters)
        with entered(Session(self.run_id, audience, registry=registry, journal=journal)) as session:
            audience.cancel = session.cancel
            state = await flow(**flow_arguments(workflow, values, self._rehearsal.targets), return_state=True)
        if session.report is None and not audience.died:
            raise NoReport(f"the generated flow ended {state.name} without a report: {state.message}")
        return session.report

    def _reason(self, report: Report) -> str | None:
        from flows.endings import why  # imports Prefect, which takes a second

        return why(report)
