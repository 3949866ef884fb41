"""Checks of the steps that run other documents: that these exist, fit what they are given, and end."""

from collections.abc import Iterator
from itertools import pairwise

from codegen.checking.circles import circle_of, knots
from codegen.errors import Problem
from codegen.leaves import SubWorkflow
from codegen.parameters import secret_parameters
from codegen.paths import part
from codegen.secret_use import is_parameter, parameters_in
from codegen.sub_workflows import MOST_LEVELS, Library, documents, is_constant, joined, runs
from codegen.suggestions import Suggestions
from codegen.targets import is_local, unreachable
from codegen.workflow import Workflow


def check_runs(workflow: Workflow, library: Library, suggestions: Suggestions) -> Iterator[Problem]:
    """What the steps of one document hand to others; a document that isn't known yet is left alone."""
    if library.path and workflow.concurrency is not None:
        message = "runs of this document by another one are not counted"
        yield Problem("concurrency", message, "leave it out, or say it in the document that is run")
    for path, step in runs(workflow):
        for index, target in enumerate(step.targets or ()):
            if is_constant(target) and not is_local(target):
                yield unreachable(f"{path}.targets[{index}]", target)
        known = library.find(step.workflow)
        if known is not None:
            yield from _handed_over(path, step, known[0], suggestions)
            yield from _secrets(path, step, known[0], secret_parameters(workflow.parameters))


def _secrets(path: str, step: SubWorkflow, document: Workflow, secret: frozenset[str]) -> Iterator[Problem]:
    """What is wrong with secret parameters that are handed on: the name must stay the name of a secret."""
    for name, value in step.parameters.items():
        handed, parameter = parameters_in(value, secret), document.parameters.get(name)
        if not handed or parameter is None:
            continue
        here, one = f"{path}.parameters{part(name)}", min(handed)
        if not parameter.secret:
            message = f'"{one}" is a secret, and the parameter "{name}" of "{step.workflow}" is none'
            yield Problem(here, message, f"write secret: true for {name} there")
        elif not is_parameter(value):
            message = f'a secret is handed on by its name, and this makes something else of "{one}"'
            yield Problem(here, message, f"write {{{{ params.{one} }}}}")


def _handed_over(
    path: str, step: SubWorkflow, document: Workflow, suggestions: Suggestions
) -> Iterator[Problem]:
    for name, value in step.parameters.items():
        here = f"{path}.parameters{part(name)}"
        parameter = document.parameters.get(name)
        if parameter is None:
            cure = suggestions.cure(name, document.parameters, "it has")
            yield Problem(here, f'"{step.workflow}" has no parameter "{name:.80}"', cure)
        elif is_constant(value) and (reason := parameter.refusal(value)):
            yield Problem(here, reason, f'"{step.workflow}" takes {parameter.expected}')
    for name, parameter in document.parameters.items():
        if parameter.required and name not in step.parameters:
            message = f'"{step.workflow}" requires the parameter "{name}"'
            place = f"{path}.parameters" if step.parameters else f"{path}.workflow"
            yield Problem(place, message, f"give it {parameter.expected}")


def check_queues(workflow: Workflow) -> Iterator[Problem]:
    """A document that is run by another one goes where that one goes."""
    for document, library in documents(workflow):
        if document.queue not in (None, workflow.queue):
            message = f'it asks for the queue "{document.queue}", and the document that runs it does not'
            cure = "say the same queue in the document that runs it, or leave it out here"
            yield Problem(joined(library.path, "queue"), message, cure)


class Levels:
    """Which document runs which, as a graph."""

    def __init__(self, workflow: Workflow) -> None:
        self._documents = list(documents(workflow))
        places = {library.path: index for index, (_, library) in enumerate(self._documents)}
        self._runs: list[list[int]] = []
        self._steps: dict[tuple[int, int], tuple[str, str]] = {}
        for index, (document, library) in enumerate(self._documents):
            self._runs.append([])
            for path, step in runs(document):
                known = library.find(step.workflow)
                if known is not None:
                    inner = places[known[1].path]
                    self._runs[index].append(inner)
                    place = f"{joined(library.path, path)}.workflow"
                    self._steps.setdefault((index, inner), (place, step.workflow))

    def check(self) -> Iterator[Problem]:
        """Documents that run themselves, and those that run each other too deep."""
        everything = set(range(len(self._runs)))
        circles = [[index] for index in everything if index in self._runs[index]]
        circles += [circle_of(knot, self._runs) for knot in knots(everything, self._runs)]
        yield from map(self._circle, circles)
        if not circles:
            yield from self._too_deep()

    def _circle(self, circle: list[int]) -> Problem:
        steps = [self._steps[one, two] for one, two in zip([circle[-1], *circle], circle, strict=False)]
        shown = " -> ".join([steps[0][1], *(name for _, name in steps[1:]), steps[0][1]])
        message = f"a document must not run itself, and this one does: {shown:.500}"
        return Problem(steps[0][0], message, "take one of these steps out, or write a repeat or a for_each")

    def _too_deep(self) -> Iterator[Problem]:
        """Level by level from the document down: without circles that ends."""
        chains: dict[int, list[int]] = {0: [0]}
        for _ in range(MOST_LEVELS + 1):
            chains = {inner: [*chain, inner] for one, chain in chains.items() for inner in self._runs[one]}
        for chain in list(chains.values())[:1]:
            steps = [self._steps[pair] for pair in pairwise(chain)]
            names = " -> ".join(name for _, name in steps)
            yield Problem(
                steps[0][0],
                f"documents may run each other {MOST_LEVELS} levels deep, and these go deeper: {names:.1000}",
                "let a document higher up run the last ones",
            )
