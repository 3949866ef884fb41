"""What a case expected and what was found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from codegen.decision import EngineName
from codegen.result import Report
from rehearsal.course import Course, leaves_of
from rehearsal.form import Expectation, Matching, pairs
from rehearsal.reading import Rehearsal

_KNOWN_OF_A_DEATH = frozenset({"died", "started", "not_started", "order"})


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected; `what` is its path in `expect`."""

    what: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected!r}, found {self.found!r}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a case went on one engine. `known`: why it is expected to fail there."""

    rehearsal: Rehearsal
    engine: EngineName
    differences: tuple[Difference, ...]
    seconds: float

    @property
    def known(self) -> str | None:
        """Why the case fails on this engine, where that is known."""
        return self.rehearsal.case.known_on(self.engine)

    @property
    def passed(self) -> bool:
        """Whether all is as expected; of a known failure, that it still fails."""
        return bool(self.differences) == (self.known is not None)

    def lines(self) -> list[str]:
        """What is to be said of a case that did not pass."""
        if self.known is not None and not self.differences:
            return [f"known: it passes now ({self.known}); take the key out"]
        return list(map(str, self.differences))


def differences(rehearsal: Rehearsal, courses: Iterable[Course]) -> tuple[Difference, ...]:
    """Everything that is not as expected, life by life."""
    leaves = leaves_of(rehearsal.workflow)
    return tuple(
        Difference(f"{place}{one.what}", one.expected, one.found)
        for (place, life), course in zip(rehearsal.case.lives.items(), courses, strict=True)
        for one in _of_a_life(life.expect, course, leaves)
    )


def _of_a_life(expected: Expectation, course: Course, leaves: dict[str, list[str]]) -> Iterator[Difference]:
    report = course.report
    yield from _unequal("died", expected.died, report is None, said=expected.died is not None)
    if report is None:
        for key in sorted(expected.model_fields_set - _KNOWN_OF_A_DEATH):
            yield Difference(key, getattr(expected, key), "nothing: the process died before the run ended")
    else:
        yield from _of_the_run(expected, report, course.reason)
        yield from _of_the_steps(expected, report)
    yield from _of_the_order(expected, course, leaves)


def _of_the_run(expected: Expectation, report: Report, reason: str | None) -> Iterator[Difference]:
    for key in ("success", "cancelled"):
        yield from _unequal(key, getattr(expected, key), getattr(report, key), said=_says(expected, key))
    if _says(expected, "error"):
        yield from _unlike("error", expected.error, reason)
    for name, value in expected.outputs.items():
        yield from _unequal(f"outputs.{name}", value, report.outputs.get(name))
    if expected.not_undone is not None:
        found = [error.step for error in report.not_undone]
        yield from _unequal("not_undone", list(expected.not_undone), found)


def _of_the_steps(expected: Expectation, report: Report) -> Iterator[Difference]:
    steps = report.steps
    for id, status in expected.states.items():
        yield from _unequal(f"states.{id}", status, steps[id].status)
    for id, attempts in expected.attempts.items():
        yield from _unequal(f"attempts.{id}", attempts, steps[id].attempts)
    for id, items in expected.items.items():
        yield from _unequal(f"items.{id}", list(items), [item.status for item in steps[id].items])
    for id, result in expected.results.items():
        yield from _unequal(f"results.{id}", result, steps[id].result)
    for id, text in expected.errors.items():
        error = steps[id].error
        yield from _unlike(f"errors.{id}", text, error.message if error else None)
    for id, outputs in expected.step_outputs.items():
        for name, value in outputs.items():
            yield from _unequal(f"step_outputs.{id}.{name}", value, steps[id].outputs.get(name))


def _of_the_order(
    expected: Expectation, course: Course, leaves: dict[str, list[str]]
) -> Iterator[Difference]:
    if expected.started is not None:
        yield from _unequal("started", list(expected.started), course.started())
    for id in expected.not_started:
        if course.starts(leaves[id]):
            yield Difference("not_started", id, "it started")
    for order in expected.order:
        for earlier, later in pairs(order):
            ends, starts = course.ends(leaves[earlier]), course.starts(leaves[later])
            if not ends or not starts:
                never = f"{earlier} never ended" if not ends else f"{later} never started"
                yield Difference("order", order, never)
            elif max(ends) > min(starts):
                yield Difference("order", order, f"{later} started before {earlier} had ended")


def _says(expected: Expectation, key: str) -> bool:
    return key in expected.model_fields_set


def _unequal(what: str, expected: Any, found: Any, *, said: bool = True) -> Iterator[Difference]:
    if said and (expected != found or isinstance(expected, bool) != isinstance(found, bool)):
        yield Difference(what, expected, found)


def _unlike(what: str, expected: str | Matching | None, found: str | None) -> Iterator[Difference]:
    if isinstance(expected, Matching):
        if found is None or not re.search(expected.matches, found):
            yield Difference(what, f"a match of {expected.matches}", found)
    elif expected != found:
        yield Difference(what, expected, found)
