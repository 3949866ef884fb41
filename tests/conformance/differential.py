"""Random documents of the whole language on both engines: everything but times must be the same.

    python -m tests.conformance.differential [--documents 5000] [--first 0]

Prints each seed whose document ends differently, with the document and what differs; a line for every hundred
documents; and at the end how often each construct was drawn. A difference becomes a case of
`found.test.yaml`, for ever.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from codegen.document import parse
from codegen.errors import DocumentError
from codegen.leaves import Leaf, SubWorkflow, Wait
from codegen.registry import Registry
from codegen.workflow import Workflow
from rehearsal.course import Course
from rehearsal.form import Case
from rehearsal.reading import Rehearsal
from rehearsal.server import prefect_server
from rehearsal.stages import NoReport, performed
from steps.acting import HARMLESS
from tests.conformance.constructs import counted, table
from tests.conformance.whole_language import WholeLanguage, leaves_of

_TIMES = frozenset({"started_at", "ended_at", "start_time", "end_time", "time"})


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


def difference(rehearsal: Rehearsal, registry: Registry) -> str | None:
    """How the two engines differ; None where they don't."""
    try:
        one, other = (_told(performed(rehearsal, engine, registry)[0]) for engine in rehearsal.engines)
    except NoReport as error:
        return str(error)
    return "\n".join(_differing(one, other)) or None


def _differing(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    for key in one:
        if one[key] != other[key]:
            yield f"{key}\n  celery:  {_shown(one[key])}\n  prefect: {_shown(other[key])}"


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)


def _told(course: Course) -> dict[str, Any]:
    """All that a run says of itself, without times: its report step by step, its reason and its order."""
    assert course.report is not None
    report = _timeless(course.report.model_dump(mode="json", exclude={"logs"}))
    steps = {f"steps.{id}": record for id, record in report.pop("steps").items()}
    return {**report, **steps, "reason": course.reason, "started": course.started()}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in _TIMES}
    return [_timeless(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    """Compare many documents; exit code 1 when any differed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.documents)
    differed = 0
    with prefect_server(quiet=True), tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder))
        for number, seed in enumerate(seeds, start=1):
            rehearsal = rehearsal_of(seed)
            found = difference(rehearsal, registry)
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
