"""Everything that can be wrong with a well-formed document, found at once."""

from collections.abc import Iterator

from codegen.checking.graph import Graph, Place, places
from codegen.checking.key_checks import check_keys
from codegen.checking.name_checks import Names
from codegen.checking.order_checks import check_circles, check_ids, connect
from codegen.checking.references import References
from codegen.checking.run_checks import Levels, check_queues, check_runs
from codegen.checking.sight import Sight
from codegen.checking.start_checks import check_joins
from codegen.concurrency import check_key
from codegen.errors import Problem
from codegen.paths import parts
from codegen.reading.refusals import refusal
from codegen.reading.salvage import Lost
from codegen.sub_workflows import Library, documents, within
from codegen.suggestions import Suggestions
from codegen.support import unsupported
from codegen.targets import is_local, unreachable
from codegen.workflow import Workflow

MOST_STEPS = 10_000


def check(workflow: Workflow, lost: Lost | None = None) -> list[Problem]:
    """The document's problems, and those of the documents it holds.

    `lost` says what is unknown because a part of it was malformed.
    """
    held = [(document, library, places(document)) for document, library in documents(workflow)]
    total = sum(len(steps) for _, _, steps in held)
    if total > MOST_STEPS:
        message = f"the document has {total:,} steps; at most {MOST_STEPS:,} are allowed"
        return [Problem("steps", message, "split it into several documents")]
    problems: list[Problem] = []
    for document, library, steps in held:
        known = (lost or Lost()) if document is workflow else Lost()
        problems += (within(library.path, one) for one in _check(document, library, steps, known))
    return [*problems, *check_queues(workflow), *Levels(workflow).check()]


def _check(workflow: Workflow, library: Library, steps: list[Place], known: Lost) -> Iterator[Problem]:
    types = {parts(place.path): place.step.type for place in steps}
    yield from unsupported(workflow)
    for problem in _runnable(workflow, library, steps, known):
        if refusal(parts(problem.path), types.get) is None:
            yield problem


def _runnable(workflow: Workflow, library: Library, steps: list[Place], known: Lost) -> Iterator[Problem]:
    """What is wrong with all that this version could run."""
    graph, suggestions = Graph(steps), Suggestions()
    wrong_ids = [*check_ids(steps)]
    yield from wrong_ids
    order_known = known.order and not wrong_ids
    yield from check_key(workflow)
    yield from _targets(workflow, steps)
    yield from check_keys(steps, known)
    yield from check_runs(workflow, library, suggestions)
    yield from connect(graph, known, suggestions)
    if order_known:
        yield from check_circles(graph)
        yield from check_joins(graph, known)
    ended = graph.ended_before() if order_known else None
    references = References(graph, Sight(graph), ended, known, suggestions, library)
    yield from Names(workflow, graph, references, known, suggestions).check()


def _targets(workflow: Workflow, steps: list[Place]) -> Iterator[Problem]:
    for index, name in enumerate(workflow.targets):
        if not is_local(name):
            yield unreachable(f"targets[{index}]", name)
    for place in steps:
        on = place.step.on
        if on is not None and on != "targets" and "{{" not in on and "{%" not in on and not is_local(on):
            yield unreachable(f"{place.path}.on", on)
