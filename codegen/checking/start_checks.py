"""Steps that can never start, and names of what steps that are disabled would have left."""

from collections.abc import Iterator

from codegen.checking.graph import Graph
from codegen.checking.starts import Never, Starts
from codegen.errors import Problem
from codegen.mentions import Mentions, of_expression, of_template
from codegen.reading.salvage import Lost
from codegen.texts import NOWHERE, Written, texts
from codegen.workflow import Workflow

_OF_A_RUN = ("result", "outputs")


def check_joins(graph: Graph, lost: Lost) -> Iterator[Problem]:
    """Joins that no run can meet, as too many of the steps that they wait for always fail."""
    starts = Starts(graph, lost.damaged)
    for found in starts.never():
        place = graph.steps[found.step]
        if found.is_sure and place.node.join != "all" and _is_possible(graph, found):
            why, names = _why(graph, starts, found), _failing(graph, starts, found)
            cure = f"write run_if: finished, give {names} a when, or depend on other steps"
            yield Problem(f"{place.path}.join", f"join: {place.node.join} can never be met: {why}", cure)


def never_started(graph: Graph, starts: Starts) -> Iterator[Problem]:
    """Warnings of steps that no run starts."""
    for found in starts.never():
        why, cure = _why(graph, starts, found), _cure(graph, starts, found)
        yield Problem(graph.steps[found.step].path, f"this step can never start: {why}", cure)


def never_there(workflow: Workflow, graph: Graph, starts: Starts) -> Iterator[Problem]:
    """Warnings of names of what a disabled step would have left."""
    off = {id for id, step in graph.index.items() if starts.is_off(step)}
    if not off:
        return
    for place in graph.steps:
        if place.node.id in off:
            continue
        asked = _looked_at(of_expression(place.step.when)) if place.step.when is not None else NOWHERE
        for written in texts(place.path, place.step, NOWHERE):
            yield from _absent(written, off - asked)
    for name, text in workflow.outputs.items():
        yield from _absent(Written(f"outputs.{name}", "template", text), off)


def _absent(written: Written, off: set[str]) -> Iterator[Problem]:
    if "default" in written.text or "defined" in written.text:
        return
    mentions = (of_expression if written.kind == "expression" else of_template)(written.text)
    looked_at = _looked_at(mentions)
    for path in sorted(mentions.paths):
        if path[:1] != ("steps",) or len(path) < 4 or path[2] not in _OF_A_RUN:
            continue
        if path[1] in off and path[1] not in looked_at:
            yield Problem(
                written.path,
                f'"{path[1]}" is disabled, so steps.{".".join(path[1:4])} will never be there',
                f'enable "{path[1]}", or write default(...)',
            )


def _looked_at(mentions: Mentions) -> frozenset[str]:
    """The steps whose status is asked for, which tells whether they have run."""
    return frozenset(
        path[1] for path in mentions.paths if path[:1] == ("steps",) and path[2:3] == ("status",)
    )


def _is_possible(graph: Graph, found: Never) -> bool:
    """Whether there are as many dependencies as the join asks for; that there are not is told elsewhere."""
    join = graph.steps[found.step].node.join
    return not isinstance(join, int) or join <= len({*graph.after(found.step)})


def _failing(graph: Graph, starts: Starts, found: Never) -> str:
    return " and ".join(f'"{graph.steps[one].node.id}"' for one in found.because if starts.always_fails(one))


def _why(graph: Graph, starts: Starts, found: Never) -> str:
    reasons = (f'"{graph.steps[one].node.id}" {_end(starts, one)}' for one in found.because[:3])
    more = len(found.because) - 3
    return ", ".join(reasons) + (f" and {more} more" if more > 0 else "")


def _end(starts: Starts, step: int) -> str:
    if starts.is_off(step):
        return "is disabled, so it never fails"
    return "ends the run" if starts.ends_the_run(step) else "always fails"


def _cure(graph: Graph, starts: Starts, found: Never) -> str:
    first = found.because[0]
    name = f'"{graph.steps[first].node.id}"'
    if starts.is_off(first):
        return f"enable {name}, or write run_if: finished"
    if starts.ends_the_run(first):
        return f"give {name} a when, or take this step out"
    return f"give {name} a when, or write run_if: finished"
