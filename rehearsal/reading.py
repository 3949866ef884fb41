"""Reads test files: every mistake with its line, before anything is run."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codegen.again import why_not_from
from codegen.capability import able
from codegen.decision import EngineName
from codegen.document import parse
from codegen.errors import DocumentError, ParameterError, Problem
from codegen.groups import Step
from codegen.leaves import Leaf, SubWorkflow
from codegen.lists import every_step, fan_outs
from codegen.parameters import check_values
from codegen.paths import part
from codegen.reading.marks import Marks
from codegen.reading.source_text import check_text, read_text
from codegen.reading.yaml_source import read_yaml
from codegen.sub_workflows import Library
from codegen.suggestions import listed
from codegen.targets import check_targets
from codegen.workflow import Workflow
from flows.documents import SUFFIXES, folders, found, read, resolved
from rehearsal.form import Case, LaterLife, Life
from rehearsal.wording import sound
from steps.acting import HARMLESS, Acts, Behaviour
from steps.approved_run import START


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One case with its workflow, ready to be run on each of its engines."""

    file: str
    case: Case
    workflow: Workflow
    engines: tuple[EngineName, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets of the run."""
        return self.workflow.targets if self.case.targets is None else self.case.targets


def read_file(path: Path) -> list[Rehearsal]:
    """The cases of a test file. DocumentError names everything that is wrong with it."""
    file, text = str(path), read_text(path)
    check_text(text, file)
    builder = read_yaml(text, file)
    marks = builder.marks
    form = sound(marks, file)
    rehearsals: list[Rehearsal] = []
    problems = [*builder.problems, *form.problems]
    workflows = _Workflows(path, marks, form.workflow)
    for number, case in form.cases.items():
        try:
            workflow = workflows.of(case, number)
        except DocumentError as error:
            problems += error.problems
            continue
        problems += [marks.placed(problem, file) for problem in _unfit(case, workflow, f"cases[{number}]")]
        engines = _fit(case.engines or form.engines, workflow)
        if not engines:
            problems.append(marks.placed(_no_engine(workflow, f"cases[{number}]"), file))
        rehearsals.append(Rehearsal(file, case, workflow, engines))
    if problems:
        raise DocumentError(
            sorted(dict.fromkeys(problems), key=lambda one: (one.file != file, one.line, one.column))
        )
    return rehearsals


class _Workflows:
    """The documents that a test file names, each read once."""

    def __init__(self, path: Path, marks: Marks, of_all: str | dict[str, Any] | None) -> None:
        self._path = path
        self._of_all = of_all
        self._marks = marks
        self._known: dict[str, Workflow] = {}

    def of(self, case: Case, number: int) -> Workflow:
        """The document of a case."""
        place = f"cases[{number}].workflow" if case.workflow is not None else "workflow"
        named = case.workflow if case.workflow is not None else self._of_all
        if named is None:
            cure = "write workflow: with a file beside this one, a document's name, or the document itself"
            raise DocumentError([self._placed(Problem(f"cases[{number}]", "it has no workflow", cure))])
        if isinstance(named, str):
            return self._file(named, place)
        title = case.name if case.workflow is not None else self._path.name
        try:
            return resolved(parse({"name": title, **named}))
        except DocumentError as error:
            raise DocumentError(
                self._placed(Problem(f"{place}.{one.path}", one.message, one.cure)) for one in error.problems
            ) from error

    def _file(self, name: str, place: str) -> Workflow:
        if name not in self._known:
            beside = self._path.parent / name
            try:
                file = beside if beside.is_file() else self._elsewhere(name)
                self._known[name] = read(read_text(file), str(file))
            except DocumentError as error:
                raise DocumentError(
                    one if one.line else self._placed(Problem(place, one.message, one.cure))
                    for one in error.problems
                ) from error
        return self._known[name]

    def _elsewhere(self, name: str) -> Path:
        """The file in the folders of documents; that there is none is told of a name that is a file's."""
        try:
            return found(name, folders())
        except DocumentError as error:
            if "/" not in name and not name.lower().endswith(SUFFIXES):
                raise
            where = [self._path.parent, *folders()]
            message = f'there is no file "{name:.200}" in {listed(map(str, dict.fromkeys(where)))}'
            cure = "write its path as seen from the folder of this file"
            raise DocumentError([Problem("workflow", message, cure)]) from error

    def _placed(self, problem: Problem) -> Problem:
        return self._marks.placed(problem, str(self._path))


def _fit(engines: Iterable[EngineName], workflow: Workflow) -> tuple[EngineName, ...]:
    """Those of the engines that can run the workflow."""
    reasons = able(workflow)
    return tuple(engine for engine in engines if not reasons[engine])


def _no_engine(workflow: Workflow, place: str) -> Problem:
    reason = next(str(reason) for reasons in able(workflow).values() for reason in reasons)
    return Problem(
        place, f"no engine of the case can run the workflow: {reason}", "name another one in engines"
    )


def _unfit(case: Case, workflow: Workflow, place: str) -> Iterator[Problem]:
    """What a case says that its workflow has no use for."""
    for inside, life in case.lives.items():
        yield from _unfit_life(life, workflow, f"{place}.{inside}")
    try:
        check_values(workflow.parameters, case.parameters)
        check_targets(case.targets or ())
    except ParameterError as error:
        for one in error.problems:
            yield Problem(f"{place}.{one.path}", one.message, one.cure)


def _unfit_life(life: Life, workflow: Workflow, place: str) -> Iterator[Problem]:
    steps = {step.id: step for _, step in every_step(workflow)}
    for id, acts in life.leaves.items():
        step, depth = _step_at(id, workflow, Library(workflow.workflows))
        if step is None:
            if not (id == START and workflow.requires_approval):
                yield _unknown(f"{place}leaves{part(id)}", id, steps)
        elif not isinstance(step, Leaf):
            if step.requires_approval:
                continue
            yield Problem(f"{place}leaves{part(id)}", f"{id} is a group", "name the steps in it")
        elif type(step) in HARMLESS:
            kind = step.type
            yield Problem(
                f"{place}leaves{part(id)}", f"steps of type {kind} are run for real", "leave it out"
            )
        else:
            yield from _too_deep(f"{place}leaves{part(id)}", acts, depth)
    for path, id in life.expect.steps():
        if id not in steps:
            yield _unknown(f"{place}expect.{path}", id, steps)
    if isinstance(life, LaterLife) and life.from_ is not None:
        reason = why_not_from(workflow, life.from_)
        if reason is not None:
            yield Problem(f"{place}from", *reason)


def _step_at(path: str, workflow: Workflow, library: Library) -> tuple[Step | None, int]:
    """The step of that id, and how many fan-outs lie around it in its document.

    `deploy/copy` is a step of the document that `deploy` runs.
    """
    id, _, inside = path.partition("/")
    step = next((step for _, step in every_step(workflow) if step.id == id), None)
    if not inside:
        return step, fan_outs(workflow).get(id, 0)
    known = library.find(step.workflow) if isinstance(step, SubWorkflow) else None
    return _step_at(inside, *known) if known is not None else (None, 0)


def _too_deep(path: str, acts: Acts, depth: int) -> Iterator[Problem]:
    levels = _levels(acts)
    if levels > depth == 0:
        yield Problem(path, "a list is for steps that fan out, and this one does not", "write what is in it")
    elif levels > depth:
        found = f"lists {levels} deep are too much: its fan-outs are {depth} deep"
        yield Problem(path, found, "one level of lists for each fan-out, the outermost first")


def _levels(acts: Acts) -> int:
    return 0 if isinstance(acts, Behaviour) else 1 + max(map(_levels, acts), default=0)


def _unknown(path: str, id: str, steps: Iterable[str]) -> Problem:
    return Problem(path, f"the workflow has no step {id!r}", f"its steps are: {', '.join(steps)}")
