"""Reads a workflow document, and reports everything that is wrong with it at once.

workflow = load_file(Path("disk.yaml"))      # or load(text), or parse(data)
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from codegen.checking import checks, doubts
from codegen.errors import DocumentError, Problem
from codegen.limits import check_data
from codegen.paths import parts, sort_key
from codegen.reading.json_source import check_json, mark_json, read_json
from codegen.reading.marks import Marks
from codegen.reading.salvage import salvage, validated
from codegen.reading.shape import Mistake, findings, mistakes
from codegen.reading.source_text import check_text, read_text
from codegen.reading.yaml_source import read_yaml
from codegen.workflow import Workflow

MOST_PROBLEMS = 1000


def load_file(path: Path) -> Workflow:
    """The workflow in a YAML or JSON file."""
    return load(read_text(path), file=str(path))


def load(text: str, *, file: str = "") -> Workflow:
    """The workflow in a YAML or JSON text. `file` is the place that problems name; .json holds JSON."""
    check_text(text, file)
    if file.lower().endswith(".json"):
        check_json(text, file)
    return _workflow(_json(text, file) or _closer_look(text, file))


def is_text(workflow: str) -> bool:
    """Whether it is a document itself and not the name of one."""
    return "\n" in workflow or workflow.lstrip().startswith("{")


def parse(data: Mapping[str, Any]) -> Workflow:
    """The workflow in data that has been read already; problems have paths but no lines."""
    if not isinstance(data, Mapping):
        raise DocumentError([_no_mapping(data)])
    return _workflow(_Source(dict(data), "", lambda: None))


def accepted(data: Mapping[str, Any]) -> Workflow:
    """The workflow of a run that has begun: its document was checked then.

    What was allowed then and is refused by now must not keep it from its end. DocumentError: it is not
    even readable.
    """
    if not isinstance(data, Mapping):
        raise DocumentError([_no_mapping(data)])
    workflow, _ = _fitting(_Source(dict(data), "", lambda: None))
    return workflow


def warnings(workflow: Workflow) -> tuple[Problem, ...]:
    """What will run, but perhaps not as meant."""
    return doubts.warnings(workflow)


def placed(problems: Iterable[Problem], text: str, *, file: str = "") -> tuple[Problem, ...]:
    """Problems that have only paths, such as warnings, with their places in the text that was read."""
    marks = (_json(text, file) or _closer_look(text, file)).marks()
    found = (marks.placed(problem, file) if marks else problem for problem in problems)
    return tuple(sorted(found, key=_reading_order))


def canonical(workflow: Workflow) -> dict[str, Any]:
    """The document as JSON data: only what it says, defaults left out. `parse` gives the workflow back."""
    data: dict[str, Any] = workflow.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return data


def digest(workflow: Workflow) -> str:
    """The SHA-256 of the canonical document: the same for the same workflow however it is written."""
    text = json.dumps(canonical(workflow), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def workflow_id(workflow: Workflow) -> str:
    """A name for this very document: `free_disk_space-0123456789ab`."""
    plain = unicodedata.normalize("NFKD", workflow.name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40].strip("_")
    return f"{slug or 'workflow'}-{digest(workflow)[:12]}"


@dataclass(frozen=True, slots=True)
class _Source:
    """What was read: the data, what was wrong already, and how to find the places if they are needed."""

    data: Any
    file: str
    marks: Callable[[], Marks | None]
    problems: tuple[Problem, ...] = ()


def _json(text: str, file: str) -> _Source | None:
    """JSON that a document can hold; None for YAML and for what needs a closer look."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        data = read_json(text)
    except (ValueError, RecursionError):
        return None
    return _Source(data, file, lambda: mark_json(text, file).marks)


def _closer_look(text: str, file: str) -> _Source:
    """Read with places. JSON that YAML can't read is told about in the words of JSON."""
    builder = mark_json(text, file) if _is_json(text) else read_yaml(text, file)
    return _Source(builder.marks.root, file, lambda: builder.marks, tuple(builder.problems))


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _workflow(source: _Source) -> Workflow:
    workflow, problems = _fitting(source)
    problems += checks.check(workflow)
    if problems or source.problems:
        raise _error(source, map(Mistake, problems))
    return workflow


def _fitting(source: _Source) -> tuple[Workflow, list[Problem]]:
    """What fits the model, and the problems of single values."""
    if not isinstance(source.data, dict):
        raise _error(source, [Mistake(_no_mapping(source.data))])
    try:
        problems = check_data(source.data)
    except DocumentError:
        source.marks()  # stops at the same limit, and knows where
        raise
    try:
        workflow = validated(source.data)
    except ValidationError as error:
        raise _error(source, [*map(Mistake, problems), *_malformed(error, source.data)]) from error
    return workflow, problems


def _malformed(error: ValidationError, data: dict[str, Any]) -> Iterator[Mistake]:
    """What is wrong with a document that doesn't fit the model, and with what is left of it."""
    found = findings(error.errors(include_url=False, include_input=False), data)
    yield from mistakes(found, data)
    rest = salvage(data, found)
    if rest is not None:
        yield from map(Mistake, checks.check(*rest))


def _error(source: _Source, found: Iterable[Mistake]) -> DocumentError:
    """All problems, each in its place, in the order of the file."""
    marks = source.marks()
    problems = set(source.problems)
    for one in found:
        place = marks.locate(parts(one.problem.path), at_key=one.at_key) if marks else (0, 0)
        problems.add(one.problem.at(source.file, *place))
    ordered = sorted(problems, key=_reading_order)
    more = len(ordered) - MOST_PROBLEMS
    if more > 0:
        last = Problem("", f"{more:,} more problems", "mend these first")
        ordered[MOST_PROBLEMS:] = [last.at(source.file, ordered[-1].line, ordered[-1].column)]
    return DocumentError(ordered)


def _reading_order(problem: Problem) -> tuple[Any, ...]:
    return problem.line, sort_key(parts(problem.path)), problem.message


def _no_mapping(data: Any) -> Problem:
    what = "a list" if isinstance(data, list) else "nothing" if data is None else "a single value"
    return Problem("", f"a document is a mapping with a name and steps, not {what}", "begin with name: ...")
