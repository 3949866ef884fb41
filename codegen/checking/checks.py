"""Everything that can be wrong with a well-formed document, found at once."""

from collections.abc import Iterator

from codegen.checking.graph import Graph, Place, places
from codegen.checking.key_checks import check_keys
from codegen.checking.name_checks import Names
from codegen.checking.order_checks import check_circles, check_ids, connect
from codegen.checking.references import References
from codegen.checking.sight import Sight
from codegen.concurrency import check_key
from codegen.errors import Problem
from codegen.reading.salvage import Lost
from codegen.suggestions import Suggestions
from codegen.support import unsupported
from codegen.targets import is_local, unreachable
from codegen.workflow import Workflow

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
    problems += check_key(workflow)
    problems += _targets(workflow, steps)
    problems += check_keys(steps, known)
    problems += connect(graph, known, suggestions)
    if order_known:
        problems += check_circles(graph)
    ended = graph.ended_before() if order_known else None
    references = References(graph, Sight(graph), ended, known, suggestions)
    problems += Names(workflow, graph, references, known, suggestions).check()
    return problems


def _targets(workflow: Workflow, steps: list[Place]) -> Iterator[Problem]:
    for index, name in enumerate(workflow.targets):
        if not is_local(name):
            yield unreachable(f"targets[{index}]", name)
    for place in steps:
        on = place.step.on
        if on is not None and on != "targets" and "{{" not in on and "{%" not in on and not is_local(on):
            yield unreachable(f"{place.path}.on", on)
