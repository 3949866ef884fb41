"""Surveys a document: the extent of its main steps and of the whole, handlers included.

A group that no dependency enters or leaves is a block: only its sums matter to the list around it. A list
in plain order or side by side is added up; any other is woven, with the groups that dependencies cross
opened up in it. The numbers are exact either way, but for the bound on choices in `codegen.scoring.weave`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from codegen.errors import DocumentError, Problem
from codegen.groups import Condition, Group, Step, Switch, branches
from codegen.lists import step_lists
from codegen.schedule import Node, nodes_of
from codegen.scoring.extent import NOTHING, Extent, beside, in_a_row, instead, leaf, repeated
from codegen.scoring.fanout import runs_of
from codegen.scoring.orders import CycleError
from codegen.scoring.weave import Weave
from codegen.workflow import Workflow


def survey(workflow: Workflow) -> tuple[Extent, Extent]:
    """The main steps, and the whole document; DocumentError where steps wait for each other in a circle.

    Handler steps count, but the main steps never wait for them, nor run beside them.
    """
    parts = [_Surveyor(workflow, steps).extent(steps) for _, steps in step_lists(workflow)]
    return parts[0], instead(parts)


class _Surveyor:
    """Looks at one section and all below it. Dependencies on steps outside of it put nothing in order."""

    def __init__(self, workflow: Workflow, section: Sequence[Step]) -> None:
        self._workflow = workflow
        self._nodes = {node.id: node for node in nodes_of(section)}
        self._opened = frozenset(_crossed(self._nodes))

    def extent(self, steps: Sequence[Step]) -> Extent:
        """Steps with the order that their dependencies make."""
        after = [self._nodes[step.id].after for step in steps]
        if self._opened and any(step.id in self._opened for step in steps):
            return self._woven(steps)
        if not any(after):
            return beside([self._part(step) for step in steps])
        if not after[0] and all(waits == (step.id,) for step, waits in zip(steps, after[1:], strict=False)):
            return in_a_row(map(self._part, steps))
        return self._woven(steps)

    def _part(self, step: Step) -> Extent:
        """A leaf, or a group that is a block."""
        if not isinstance(step, Group):
            return leaf(runs_of(self._workflow, step), step.max_parallel)
        inner = [self.extent(steps) for _, steps in branches(step) if steps]
        block = instead(inner) if isinstance(step, Condition | Switch) else beside(inner)
        return repeated(block, runs_of(self._workflow, step), step.max_parallel)

    def _woven(self, steps: Sequence[Step]) -> Extent:
        weave = Weave()
        starts: dict[str, int] = {}
        ends: dict[str, int] = {}
        self._spread(weave, starts, ends, steps, (), 1)
        for id, start in starts.items():
            weave.wait(start, (ends[before] for before in self._nodes[id].after if before in ends))
        try:
            return weave.extent()
        except CycleError as error:
            raise _circle(error, (starts, ends)) from None

    def _spread(
        self,
        weave: Weave,
        starts: dict[str, int],
        ends: dict[str, int],
        steps: Sequence[Step],
        outer: Sequence[int],
        times: int,
    ) -> None:
        """Lay steps into the weave; an opened group becomes its start, its children and its end."""
        for step in steps:
            if step.id not in self._opened:
                starts[step.id] = ends[step.id] = weave.add(repeated(self._part(step), times, None), outer)
                continue
            starts[step.id] = weave.add(NOTHING, outer)
            spans, inside = [], times * runs_of(self._workflow, step)
            for _, inner in branches(step):
                first = len(weave)
                self._spread(weave, starts, ends, inner, (starts[step.id],), inside)
                spans.append(range(first, len(weave)))
            children = (ends[child.id] for _, inner in branches(step) for child in inner)
            ends[step.id] = weave.add(NOTHING, (starts[step.id], *children))
            if isinstance(step, Condition | Switch):
                weave.choose(spans)


def _crossed(nodes: Mapping[str, Node]) -> Iterator[str]:
    """The groups that a dependency enters or leaves."""
    for node in nodes.values():
        for id in node.after:
            other = nodes.get(id)
            if other is None or (other.parent, other.branch) == (node.parent, node.branch):
                continue
            one, two = _lists_around(nodes, node), _lists_around(nodes, other)
            yield from (parent for parent, _ in one ^ two if parent is not None)


def _lists_around(nodes: Mapping[str, Node], node: Node) -> set[tuple[str | None, str | None]]:
    """The list a step is in and those around it, each by its group and branch."""
    around = {(node.parent, node.branch)}
    while node.parent is not None:
        node = nodes[node.parent]
        around.add((node.parent, node.branch))
    return around


def _circle(error: CycleError, places: Iterable[Mapping[str, int]]) -> DocumentError:
    names = {part: id for numbers in places for id, part in numbers.items()}
    steps = list(dict.fromkeys(names[part] for part in error.nodes))
    return DocumentError(
        [Problem("steps", f"steps wait for each other: {', '.join(steps)}", "take one out of depends_on")]
    )
