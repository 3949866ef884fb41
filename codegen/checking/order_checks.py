"""Checks of the order of steps: ids, `depends_on`, circles."""

from collections.abc import Iterator, Sequence

from codegen.checking.graph import Graph, Place
from codegen.checking.sight import Sight
from codegen.errors import Problem
from codegen.groups import why_apart
from codegen.reading.salvage import Lost
from codegen.suggestions import Suggestions

MAIN, ON_FAILURE, FINALLY = "steps", "on_failure", "finally"


def check_ids(steps: Sequence[Place]) -> Iterator[Problem]:
    """An id names one step of the whole document."""
    first: dict[str, Place] = {}
    for place in steps:
        other = first.setdefault(place.node.id, place)
        if other is not place:
            yield Problem(
                f"{place.path}.id",
                f'the id "{place.node.id}" is used twice, here and at {other.path}',
                "give one of the two steps another id",
            )


def connect(graph: Graph, lost: Lost, suggestions: Suggestions) -> list[Problem]:
    """Enter all usable dependencies into the graph; those that can't be are problems."""
    problems: list[Problem] = []
    sight = Sight(graph)
    for position, place in enumerate(graph.steps):
        for number, name in enumerate(place.node.after):
            refusal = _refusal(sight, graph, position, name, lost, suggestions)
            if refusal:
                problems.append(Problem(f"{place.path}.depends_on[{number}]", *refusal))
            elif name in graph.index:
                graph.depend(position, graph.index[name])
    return problems


def check_circles(graph: Graph) -> Iterator[Problem]:
    """Steps that wait for each other never start."""
    for circle in graph.circles():
        first = min(_written(graph, circle))
        start = circle.index(first)
        names = [graph.steps[step].node.id for step in [*circle[start:], *circle[:start], first]]
        where = graph.steps[first]
        yield Problem(
            f"{where.path}.depends_on",
            f"these steps wait for each other: {' -> '.join(_shortened(names))}",
            _circle_cure(graph, circle),
        )


def _written(graph: Graph, circle: Sequence[int]) -> Iterator[int]:
    """The steps whose own depends_on leads on along the circle; without one there would be none."""
    for step, then in zip(circle, [*circle[1:], circle[0]], strict=True):
        if graph.steps[then].node.id in (graph.steps[step].step.depends_on or ()):
            yield step


def _refusal(
    sight: Sight, graph: Graph, position: int, name: str, lost: Lost, suggestions: Suggestions
) -> tuple[str, str] | None:
    if name not in graph.index:
        return unknown_id(name, graph, lost, suggestions)
    here, other = graph.steps[position], graph.index[name]
    if name == here.node.id and here.step.depends_on is None:
        return None  # the sibling before it has the same id, which is told elsewhere
    if other == position or name == here.node.id:
        return f'"{name}" depends on itself', "take it out"
    if other in graph.ancestors(position):
        return (
            f'"{name}" contains this step, so it ends after it',
            "take it out; a step waits for its group's start",
        )
    if position in graph.ancestors(other):
        return (
            f'"{name}" is inside this step, so it starts after it',
            "take it out; a group waits for its own steps",
        )
    if graph.steps[other].section != here.section:
        return _across(here, graph.steps[other])
    return _over_a_border(sight, graph, position, other)


def unknown_id(name: str, graph: Graph, lost: Lost, suggestions: Suggestions) -> tuple[str, str] | None:
    """What is wrong with an id that no step has; nothing, if a step that can't be read may have it."""
    if name in lost.ids:
        return None
    known = [one for one in graph.index if one not in lost.stand_ins] if suggestions.left else []
    if not lost.every_id and suggestions.closest(name, known) is None:
        return None
    return f'no step has the id "{name:.80}"', suggestions.cure(name, known, "ids")


def _over_a_border(sight: Sight, graph: Graph, here: int, other: int) -> tuple[str, str] | None:
    """A group that runs its steps by itself begins and ends for those around it as one."""
    pair = None if sight.home(here) == sight.home(other) else sight.side_by_side(here, other)
    if pair is None:
        return None
    name = graph.steps[other].node.id
    waiting, awaited = (graph.steps[step].node.id for step in pair)
    cure = f'depend on "{awaited}"' if pair[0] == here else f'let "{waiting}" depend on "{awaited}"'
    border = graph.steps[pair[0] if pair[1] == other else pair[1]].step
    why = f'which runs its steps by itself because it has "{why_apart(border)}"'
    if pair[1] == other:
        return f'this step is inside "{border.id}", {why}; "{name}" is outside', cure
    return f'"{name}" is inside "{border.id}", {why}', cure


def _across(here: Place, other: Place) -> tuple[str, str]:
    message = f'"{other.node.id}" belongs to {named(other)}, this step to {named(here)}'
    if here.owner is not None and other.section != here.section:
        when = "has succeeded and the workflow failed later" if here.is_undo else "has failed"
        return message, f'take it out; the steps of {named(here)} start when "{here.owner}" {when}'
    if here.section in (ON_FAILURE, FINALLY) and other.section == MAIN:
        return message, f"take it out; {here.section} steps start when the main steps have ended"
    return message, "depend on steps of the same list only"


def named(place: Place) -> str:
    """The list that a step belongs to, in words."""
    if place.owner is not None:
        return f'{"rollback" if place.is_undo else "on_error"} of "{place.owner}"'
    return "the main steps" if place.section == MAIN else place.section


def _circle_cure(graph: Graph, circle: Sequence[int]) -> str:
    implied = [
        place
        for place in (graph.steps[step] for step in circle)
        if place.step.depends_on is None and place.node.after
    ]
    if not implied:
        return "take one of the dependencies away"
    step, before = implied[0].node.id, implied[0].node.after[0]
    return (
        f'take one of the dependencies away; "{step}" has no depends_on and so waits for "{before}", '
        "the step before it: write depends_on: [] if it needn't"
    )


def _shortened(names: list[str]) -> list[str]:
    return names if len(names) <= 12 else [*names[:6], "...", *names[-5:]]
