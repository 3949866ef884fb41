"""What is wrong with the form of a test file, in the words in which documents are told of theirs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from codegen.decision import ENGINES, EngineName
from codegen.errors import Problem
from codegen.fields import Model
from codegen.paths import Path, written
from codegen.reading.marks import Marks
from codegen.reading.shape import MISMATCH, Finding, findings
from codegen.reading.wording import Wording
from rehearsal.form import Case, Expectation, LaterLife, Matching, TestFile
from steps.acting import Behaviour, Reply

_TO_ADD = {
    "cases": "a list of runs, such as [{name: all is well, expect: {success: true}}]",
    "name": "what this case is called",
    "expect": "what is to be found, such as {success: true}",
    "matches": "a regular expression",
}
_MAPPINGS: dict[type[Model], str] = {
    TestFile: "a test file is a mapping with workflow and cases",
    Case: "a case is a mapping such as {name: all is well, expect: {success: true}}",
    LaterLife: "a life is a mapping such as {expect: {success: true}}",
    Expectation: "write what is to be found, such as {success: true}",
    Behaviour: "a behaviour is a mapping such as {result: {stdout: done}}",
    Reply: "an answer is a mapping such as {approved: true}",
}
_GUIDE = "docs/how-to/test-a-workflow.md says what can stand here"
_STEPS = "write the id of a step, or deploy/copy for a step of the document that deploy runs"


@dataclass(frozen=True, slots=True)
class Sound:
    """The cases of a test file that have their form, by their numbers; and what is wrong with the rest.

    The workflow and the engines are those of cases that name none.
    """

    problems: list[Problem]
    cases: dict[int, Case] = field(default_factory=dict)
    workflow: str | dict[str, Any] | None = None
    engines: tuple[EngineName, ...] = ENGINES


def sound(marks: Marks, file: str) -> Sound:
    """Judge the form of what was read. One malformed case leaves the others as they are."""
    data = marks.root
    problems = [problem.at(file, *marks.locate(path)) for path, problem in _named_twice(data)]
    try:
        tests = TestFile.model_validate(data)
    except ValidationError as error:
        found = _merged(findings(error.errors(include_url=False, include_input=False), data))
        words = CaseWording(data)
        for one in found:
            problem = Problem(written(one.path), *words.tell(one.kind, one.path, one.context))
            problems.append(problem.at(file, *marks.locate(one.path, at_key=one.at_key)))
        return _rest(data, found, problems)
    return Sound(problems, dict(enumerate(tests.cases)), tests.workflow, tests.engines)


class CaseWording(Wording):
    """Tells mistakes of a test file."""

    def tell(self, kind: str, path: Path, context: Mapping[str, Any]) -> tuple[str, str]:
        """Message and cure."""
        if kind == "bad_key" and "expected" in context:
            return f'"{path[-1]}" is none of {context["expected"]}'.replace("'", '"'), "take one of these"
        if kind == "bad_key" and "leaves" in path:
            return f'"{path[-1]:.80}" is no step', _STEPS
        message, cure = super().tell(kind, path, context)
        return message, cure or _GUIDE

    def _model(self, path: Path) -> type[Model]:
        if not path:
            return TestFile
        is_later = path[2:3] == ("then",)
        inside = path[4:] if is_later else path[2:]
        if not inside:
            return LaterLife if is_later else Case
        if inside[0] == "leaves":
            return Reply if len(inside) > 2 and inside[-1] == "answer" else Behaviour
        return Expectation if len(inside) == 1 else Matching

    def _what_to_add(self, path: Path) -> str:
        return f"add {path[-1]}: {_TO_ADD[str(path[-1])]}"

    def _example_of_mapping(self, path: Path) -> str:
        inside = path[4:] if path[2:3] == ("then",) else path[2:]
        is_model = len(path) in (0, 2) or not inside or len(inside) > 1 or inside[0] == "expect"
        return _MAPPINGS.get(self._model(path), "") if is_model else "write name: value for each"


def _merged(found: list[Finding]) -> list[Finding]:
    """The findings, those that a value is of no type that fits as one: lists of behaviours hold others."""
    merged: list[Finding] = []
    for path, group in groupby(found, key=lambda finding: finding.path):
        several = list(group)
        wrong = [one for one in several if one.kind in MISMATCH]
        if len(wrong) > 1:
            several = [one for one in several if one not in wrong]
            several.append(Finding(path, "no_member", {"choices": [one.kind for one in wrong]}))
        merged += several
    return merged


def _named_twice(data: Any) -> Iterator[tuple[Path, Problem]]:
    """Cases with the name of one before them."""
    cases = data.get("cases") if isinstance(data, dict) else None
    first: dict[str, int] = {}
    for number, case in enumerate(cases if isinstance(cases, list) else ()):
        name = case.get("name") if isinstance(case, dict) else None
        if isinstance(name, str) and first.setdefault(name, number) != number:
            path: Path = ("cases", number, "name")
            message = f'the name "{name:.80}" is used twice, here and at cases[{first[name]}]'
            yield path, Problem(written(path), message, "give one of the two cases another name")


def _rest(data: Any, found: list[Finding], problems: list[Problem]) -> Sound:
    """The cases that are as they have to be, if what holds for all of them is."""
    outside = [one for one in found if len(one.path) < 2 or one.path[0] != "cases"]
    if any(one.kind != "extra_forbidden" for one in outside):
        return Sound(problems)
    wrong = {one.path[1] for one in found if one not in outside}
    right = {number: case for number, case in enumerate(data["cases"]) if number not in wrong}
    if not right:
        return Sound(problems)
    known = {key: value for key, value in data.items() if key in TestFile.model_fields}
    tests = TestFile.model_validate({**known, "cases": list(right.values())})
    return Sound(problems, dict(zip(right, tests.cases, strict=True)), tests.workflow, tests.engines)
