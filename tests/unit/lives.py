"""Runs with several lives: what one left in its journal is what the next one begins with."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codegen.document import parse
from codegen.result import Report
from codegen.workflow import Workflow
from rehearsal.lives import Kept
from steps.acting import Actors, Behaviour
from steps.clock import VirtualClock, keeping
from steps.entries import Entry
from steps.executor import rehearsed
from steps.interpreter import interpret
from steps.journal import Journal
from steps.scope import Scope

RUN_ID = "run"
OVER = Entry("over")


class Counting(Actors):
    """Actors that know which steps were really done, and how often: `{"copy.0": 2}`.

    A try is the one after those that the journal tells of.
    """

    def __init__(self, behaviours: Mapping[str, Any], entries: Sequence[Entry] = ()) -> None:
        super().__init__(behaviours)
        self.done: Counter[str] = Counter()
        self.marks: list[tuple[str, str, int]] = []
        for entry in entries:
            if entry.kind == "tried" and entry.record is not None:
                self.tries[entry.key] += entry.record.attempts

    async def __call__(self, model: Any, function: Any, scope: Scope, values: Mapping[str, Any]) -> Any:
        """Count it."""
        self.done[scope.key.removeprefix(f"{RUN_ID}.")] += 1
        self.marks.append((scope.key, scope.surroundings.journal.mark(scope.key), scope.attempts))
        return await super().__call__(model, function, scope, values)


@dataclass
class Life:
    """How a life of a run ended."""

    report: Report
    entries: list[Entry]
    done: Counter[str] = field(default_factory=Counter)
    marks: list[tuple[str, str, int]] = field(default_factory=list)
    """Of each try that was really done the key, the mark in the journal and the number."""

    @property
    def statuses(self) -> dict[str, str]:
        """How each step ended."""
        return {id: record.status for id, record in self.report.steps.items()}


def live(
    document: Workflow | dict[str, Any],
    behaviours: Mapping[str, Any] | None = None,
    *,
    before: Sequence[Entry] = (),
    attempt: int = 1,
    again_from: str | None = None,
    cancelled: bool = False,
    forgotten: bool = False,
    **more: Any,
) -> Life:
    """One life of a run, without effects, in no time; `before` is what the lives before it wrote."""
    workflow = document if isinstance(document, Workflow) else parse(document)
    store = Kept()
    actors = Counting({step: _read(one) for step, one in (behaviours or {}).items()}, before)
    journal = Journal(RUN_ID, store, before, attempt=attempt, again_from=again_from, forgotten=forgotten)
    run = interpret(workflow, run_id=RUN_ID, journal=journal, **more)
    if cancelled:
        run.cancel()
    with keeping(VirtualClock()), rehearsed(actors):
        report = asyncio.run(run.run())
    return Life(report, [*before, *store.entries], actors.done, actors.marks)


def _read(behaviours: Any) -> Any:
    """Behaviours as a document has them, or as they are."""
    if isinstance(behaviours, list | tuple):
        return [_read(one) for one in behaviours]
    return Behaviour.model_validate(behaviours) if isinstance(behaviours, dict) else behaviours
