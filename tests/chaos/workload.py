"""Workflows that leave a line behind for all that they do, and what must be true of these lines."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery_bridge.submission import Submission
from codegen.result import Report

STEPS = 5


@dataclass(frozen=True, slots=True)
class Order:
    """A workflow to be run; whether it is to fail at its end, or to be cancelled on its way."""

    submission: Submission
    file: Path
    fails: bool
    cancelled: bool

    def course(self) -> list[str]:
        """Which steps did their work, in the order in which they did."""
        return self.file.read_text().split() if self.file.exists() else []

    def effects(self) -> Counter[str]:
        """How often each step did its work."""
        return Counter(self.course())


def order(folder: Path, rng: random.Random) -> Order:
    """A chain of steps, some of which must never begin twice, and all of which are undone after a failure."""
    run_id = str(uuid4())
    file = folder / run_id
    steps = [_step(file, f"s{number}", rng) for number in range(STEPS)]
    fails = rng.random() < 0.3
    if fails:
        steps.append({"id": "end", "type": "fail", "message": "as it was to"})
    document = {"name": "Chaos", "steps": steps}
    return Order(Submission(document, {}, (), run_id), file, fails, cancelled=rng.random() < 0.15)


def broken_promises(order: Order, report: Report | None) -> Iterator[str]:
    """What was promised of an order that has ended, and isn't so; without a report it was given up."""
    effects = order.effects()
    for step in _repeated(order):
        yield f"{step}, which must not begin twice, did its work again before it was undone"
    if report is None:
        return
    statuses = {id: record.status for id, record in report.steps.items()}
    for number in range(STEPS):
        step = f"s{number}"
        if statuses[step] == "succeeded" and not effects[step]:
            yield f"{step} is told to have succeeded, and left nothing behind"
        if not effects[step] and effects[f"undo_{step}"]:
            yield f"{step} was undone, and had done nothing"
        undone = effects[f"undo_{step}"] or statuses.get(f"undo_{step}") == "failed"  # which the report says
        if statuses[step] == "succeeded" and not undone and _undoes(report):
            yield f"{step} was not undone, and nobody says so"
    if report.success and order.fails:
        yield "it was to fail, and is told to have succeeded"


def late_effects(order: Order, receipt: Sequence[str]) -> Iterator[str]:
    """What a cancelled order did after it had said what it did."""
    for step in order.course()[len(receipt) :]:
        yield f"{step} did its work after the run was reported as cancelled"


def _undoes(report: Report) -> bool:
    """Whether all that the run did is to be undone. One with a step that is lost asks first."""
    return not report.success and all(record.status != "lost" for record in report.steps.values())


def _repeated(order: Order) -> Iterator[str]:
    """The steps of which there must be no second start that did their work again, not having been undone."""
    steps = order.submission.document["steps"]
    once = {step["id"] for step in steps if not step.get("idempotent", True)}
    done: set[str] = set()
    for step in order.course():
        if step in done & once:
            yield step
        done.discard(step.removeprefix("undo_"))
        if not step.startswith("undo_"):
            done.add(step)


def _step(file: Path, id: str, rng: random.Random) -> dict[str, Any]:
    return {
        "id": id,
        "type": "command",
        "command": f"sleep {rng.uniform(0, 0.3):.2f}; echo {id} >> {file}; sleep {rng.uniform(0, 0.3):.2f}",
        "idempotent": rng.random() < 0.6,
        "rollback": [{"id": f"undo_{id}", "type": "command", "command": f"echo undo_{id} >> {file}"}],
    }
