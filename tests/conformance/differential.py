"""Random documents of the whole language on both engines: everything but times must be the same.

    python -m tests.conformance.differential [--documents 5000] [--first 0] [--lives]

Prints each seed whose document ends differently, with the document and what differs; a line for every hundred
documents; and at the end how often each construct was drawn. A difference becomes a case of
`found.test.yaml`, for ever.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from codegen.document import parse
from codegen.errors import DocumentError
from codegen.groups import walk
from codegen.leaves import Leaf, SubWorkflow, Wait
from codegen.registry import Registry
from codegen.workflow import Workflow
from rehearsal.course import Course
from rehearsal.form import Case, Expectation, LaterLife, Life
from rehearsal.reading import Rehearsal
from rehearsal.server import prefect_server
from rehearsal.stages import NoReport, RehearsedRun
from steps.acting import HARMLESS, Behaviour
from steps.entries import Entry
from tests.conformance.constructs import counted, table
from tests.conformance.moments import differing
from tests.conformance.whole_language import WholeLanguage, leaves_of

_AN_HOUR = 3600.0
_TIMES = frozenset({"started_at", "ended_at", "start_time", "end_time", "time", "asked_at", "confirmed_at"})


def rehearsal_of(seed: int) -> Rehearsal:
    """A document with steps that succeed, fail, fail at first, or take their time; now and then a cancel."""
    rng = Random(seed)
    workflow = _drawn(rng)
    leaves = [(path, step) for path, step in leaves_of(workflow) if _is_pretended(rng, step)]
    behaviours = {path: _behaviours(rng, step, number) for number, (path, step) in enumerate(leaves)}
    cancel = {"cancel_after": rng.uniform(0.5, 40)} if rng.random() < 0.15 else {}
    case = Case.model_validate({"name": f"seed {seed}", "leaves": behaviours, "expect": {}, **cancel})
    return Rehearsal(f"seed {seed}", case, workflow, ("celery", "prefect"))


def _drawn(rng: Random) -> Workflow:
    """The first that may be run of the documents that are drawn."""
    while True:
        with suppress(DocumentError):
            return parse(WholeLanguage(rng).document())


def _is_pretended(rng: Random, step: Leaf) -> bool:
    """Most steps can only be; what waits or runs another document is it seldom."""
    return type(step) not in HARMLESS and (not isinstance(step, Wait | SubWorkflow) or rng.random() < 0.1)


def _behaviours(rng: Random, step: Leaf, number: int) -> dict[str, Any] | list[dict[str, Any]]:
    """The same way in each execution, or now and then another one in each."""
    if step.for_each is not None and step.on is None and rng.random() < 0.4:
        return [_behaviour(rng, number) for _ in range(3)]
    return _behaviour(rng, number)


def _behaviour(rng: Random, number: int) -> dict[str, Any]:
    """No two steps take equally long: which one ends first is no accident."""
    fails: list[dict[str, Any]] = [
        {"fail": "broken"},
        {"fails": 1},
        {"fails": 2},
        {"fail": "broken", "result": 1},
    ]
    ways: list[dict[str, Any]] = [{"result": number}] * 14 + [{"results": [0, 1, 2, 3]}, *fails]
    return {**rng.choice(ways), "takes": rng.choice([1, 2, 5]) + number / 1000}


def difference(rehearsal: Rehearsal, registry: Registry, rng: Random | None = None) -> str | None:
    """How the two engines differ; None where they don't.

    With `rng` also in later lives: after deaths at some moments, and in another try.
    """
    try:
        first = Both(rehearsal, registry)
        found = [*first.differing(rehearsal.case)]
        if rng is None or found:
            return "\n".join(found) or None
        return "\n".join([*_after_deaths(first, rng), *_in_another_try(first, rng)]) or None
    except NoReport as error:
        return str(error)


def _after_deaths(run: Both, rng: Random, since: int = 1) -> Iterator[str]:
    """A process dies once some entries more than `since` are written; then the one that goes on."""
    timeout = run.rehearsal.workflow.timeout
    if timeout is not None and timeout < _AN_HOUR:
        return  # it goes by the machine's clock while nobody is at the run
    life = LaterLife(leaves=run.rehearsal.case.leaves, expect=Expectation())
    for death in ("a death", "another death"):
        written = run.entries[:-1]  # the last one says that the run is over
        cut = since = rng.randint(since, len(written))
        run = run.later(written[:cut])
        for line in run.differing(life):
            yield f"after {death}, with {cut} of {len(written)} entries: {line}"


def _in_another_try(first: Both, rng: Random) -> Iterator[str]:
    case = first.rehearsal.case
    mended = {path: Behaviour() for path in case.leaves if rng.random() < 0.4}
    main = [step.id for _, step in walk(first.rehearsal.workflow.steps)]
    start = rng.choice(main) if rng.random() < 0.3 else None
    life = LaterLife.model_validate({"leaves": {**case.leaves, **mended}, "from": start, "expect": {}})
    second = first.later(first.entries)
    for line in second.differing(life):
        yield f"in another try from {start}, mended {', '.join(mended)}: {line}"
    for line in _after_deaths(second, rng, len(first.entries) + 1):
        yield f"in another try from {start}, mended {', '.join(mended)}, {line}"


class Both:
    """A run on both engines. `entries` are the interpreter's, which the lives after it have on both."""

    def __init__(self, rehearsal: Rehearsal, registry: Registry, entries: Sequence[Entry] = ()) -> None:
        self.rehearsal = rehearsal
        self._registry = registry
        self._runs = [
            RehearsedRun(rehearsal, engine, registry, run_id="run", entries=entries)
            for engine in rehearsal.engines
        ]

    @property
    def entries(self) -> list[Entry]:
        """What the lives so far wrote, as the interpreter did."""
        return self._runs[0].entries

    def later(self, entries: Sequence[Entry]) -> Both:
        """The same run with what a life before left."""
        return Both(self.rehearsal, self._registry, entries)

    def differing(self, life: Life) -> Iterator[str]:
        """What differs in the next life."""
        one, other = (run.live(life) for run in self._runs)
        yield from _differing(_told(one), _told(other))
        yield from differing(self.rehearsal.workflow, one, other)
        journals = [sorted(map(_entry, run.entries)) for run in self._runs]
        yield from _differing({"journal": journals[0]}, {"journal": journals[1]})


def _entry(entry: Entry) -> str:
    return json.dumps(_timeless(entry.to_json()), sort_keys=True)


def _differing(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    for key in one:
        if one[key] != other[key]:
            yield f"{key}\n  celery:  {_shown(one[key])}\n  prefect: {_shown(other[key])}"


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)


def _told(course: Course) -> dict[str, Any]:
    """All that a run says of itself, without times: its report step by step, and its reason."""
    assert course.report is not None
    report = _timeless(course.report.model_dump(mode="json", exclude={"logs"}))
    steps = {f"steps.{id}": record for id, record in report.pop("steps").items()}
    return {**report, **steps, "reason": course.reason}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in _TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    """Compare many documents; exit code 1 when any differed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--lives", action="store_true", help="also after a death, and in another try")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.documents)
    differed = 0
    with prefect_server(quiet=True), tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        for number, seed in enumerate(seeds, start=1):
            rehearsal = rehearsal_of(seed)
            found = difference(rehearsal, registry, Random(seed) if given.lives else None)
            if found:
                differed += 1
                print(f"seed {seed} differs:\n{found}\n{_document(rehearsal)}", flush=True)
            if number % 100 == 0:
                print(f"{number} of {given.documents} documents, {differed} different", flush=True)
    print(table(counted(rehearsal_of(seed).workflow for seed in seeds)))
    print(f"{given.documents} documents, {differed} of them different on the two engines")
    sys.exit(1 if differed else 0)


def _document(rehearsal: Rehearsal) -> str:
    case = rehearsal.case.model_dump_json(exclude_unset=True)
    return f"{rehearsal.workflow.model_dump_json(by_alias=True, exclude_unset=True)}\n{case}"


if __name__ == "__main__":
    main()
