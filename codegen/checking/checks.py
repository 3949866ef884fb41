"""Everything that can be wrong with a well-formed document, found at once."""

from collections.abc import Iterator

from codegen.checking.graph import Graph, Place, places
from codegen.checking.name_checks import Names
from codegen.checking.order_checks import check_circles, check_ids, connect
from codegen.errors import Problem
from codegen.leaves import Script
from codegen.mentions import of_expression, of_template
from codegen.reading.salvage import Lost
from codegen.suggestions import Suggestions
from codegen.support import unsupported
from codegen.targets import is_local, unreachable
from codegen.texts import NOWHERE, Written, texts
from codegen.workflow import Step, Workflow

MOST_STEPS = 10_000


def check(workflow: Workflow, lost: Lost | None = None) -> list[Problem]:
    """The document's problems. `lost` says what is unknown because a part of it was malformed."""
    known = lost or Lost()
    steps = places(workflow)
    if len(steps) > MOST_STEPS:
        message = f"the document has {len(steps):,} steps; at most {MOST_STEPS:,} are allowed"
        return [Problem("steps", message, "split it into several documents")]
    graph, suggestions = Graph(steps), Suggestions()
    problems = [*check_ids(steps)]
    order_known = known.order and not problems
    problems += unsupported(workflow)
    problems += _targets(workflow, steps)
    problems += connect(graph, known, suggestions)
    if order_known:
        problems += check_circles(graph)
    ended = graph.ended_before() if order_known else None
    problems += Names(workflow, graph, ended, known, suggestions).check()
    return problems


def warnings(workflow: Workflow) -> tuple[Problem, ...]:
    """What will run, but perhaps not as meant."""
    steps = places(workflow)
    tolerated = {place.node.id for place in steps if place.node.tolerated}
    found = [problem for place in steps for problem in _doubts(place, tolerated)]
    if not workflow.targets:
        message, cure = "the document names no targets", "add targets, or bring some to the run"
        found += [Problem(f"{place.path}.on", message, cure) for place in steps if place.step.on == "targets"]
    return tuple(found)


def _targets(workflow: Workflow, steps: list[Place]) -> Iterator[Problem]:
    for index, name in enumerate(workflow.targets):
        if not is_local(name):
            yield unreachable(f"targets[{index}]", name)
    for place in steps:
        on = place.step.on
        if on is not None and on != "targets" and "{{" not in on and "{%" not in on and not is_local(on):
            yield unreachable(f"{place.path}.on", on)


def _doubts(place: Place, tolerated: set[str]) -> Iterator[Problem]:
    for written in texts(place.path, place.step, NOWHERE):
        if written.kind == "shell" and of_template(written.text).uses_raw:
            yield Problem(
                written.path, "'| raw' puts a value into the shell unquoted", "leave it out unless it must be"
            )
        if place.path.startswith("finally") and _takes_an_error_for_given(written, place.step):
            yield Problem(
                written.path,
                "after a success there is no error, and this step would fail",
                "add when: error, or write error.message | default('none')",
            )
    step = place.step
    if isinstance(step, Script) and step.language == "python" and of_template(step.script).names:
        yield Problem(
            f"{place.path}.script",
            "values are pasted into this Python script as they are",
            "hand them over as args or env instead",
        )
    if step.run_if == "succeeded":
        yield from (
            Problem(
                place.path,
                f'this step is blocked if "{name}" fails, although "{name}" has continue_on_error',
                "write run_if: finished to run it anyway",
            )
            for name in place.node.after
            if name in tolerated
        )


def _takes_an_error_for_given(written: Written, step: Step) -> bool:
    asked = step.when is not None and "error" in of_expression(step.when).names
    read = of_expression if written.kind == "expression" else of_template
    guarded = "default" in written.text or "error is " in written.text or "if error" in written.text
    return (
        not asked
        and not guarded
        and any(path[0] == "error" and path[1:] for path in read(written.text).paths)
    )
