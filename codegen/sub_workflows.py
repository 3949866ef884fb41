"""Documents that run other documents: where a name leads, and which documents a document holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from codegen.errors import Problem
from codegen.leaves import SubWorkflow
from codegen.lists import every_step
from codegen.paths import part
from codegen.workflow import Workflow

MOST_LEVELS = 10
"""How deep documents may run each other."""


@dataclass(frozen=True, slots=True)
class Library:
    """The documents that the steps of one document may run: its own, then those of documents around it."""

    own: Mapping[str, Workflow]
    around: Library | None = None
    path: str = ""
    """Where the document stands in the one that holds them all."""

    def find(self, name: str) -> tuple[Workflow, Library] | None:
        """The document of that name, with the library of its own steps."""
        here: Library | None = self
        while here is not None:
            if name in here.own:
                workflow = here.own[name]
                path = f"{here.path}.workflows{part(name)}".removeprefix(".")
                return workflow, Library(workflow.workflows, here, path)
            here = here.around
        return None


def documents(workflow: Workflow, library: Library | None = None) -> Iterator[tuple[Workflow, Library]]:
    """The document and all that it holds, each before those inside it."""
    library = library or Library(workflow.workflows)
    yield workflow, library
    for name in workflow.workflows:
        inside = library.find(name)
        if inside is not None:
            yield from documents(*inside)


def runs(workflow: Workflow) -> Iterator[tuple[str, SubWorkflow]]:
    """The steps of a document that run others, with their paths."""
    for path, step in every_step(workflow):
        if isinstance(step, SubWorkflow):
            yield path, step


def missing(workflow: Workflow) -> Iterator[tuple[str, str]]:
    """The documents that are run somewhere and that nothing here defines: path and name."""
    for document, library in documents(workflow):
        for path, step in runs(document):
            if library.find(step.workflow) is None:
                yield f"{joined(library.path, path)}.workflow", step.workflow


def within(path: str, problem: Problem) -> Problem:
    """The problem of a document that stands there in another one."""
    return replace(problem, path=joined(path, problem.path)) if path else problem


def joined(path: str, inner: str) -> str:
    """A path below another one."""
    return f"{path}.{inner}" if path and inner and not inner.startswith("[") else path + inner


def is_constant(value: Any) -> bool:
    """Whether there are no templates in the value."""
    if isinstance(value, str):
        return not any(mark in value for mark in ("{{", "{%", "{#"))
    if isinstance(value, Mapping):
        return all(map(is_constant, value.values()))
    return not isinstance(value, list | tuple) or all(map(is_constant, value))
