"""Checks of `steps.<id>...`: that the step exists, has ended by then, and leaves what is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.checking.graph import Graph, Place
from codegen.checking.order_checks import FINALLY, MAIN, ON_FAILURE, named, unknown_id
from codegen.checking.sight import Sight
from codegen.groups import Group, Step
from codegen.leaves import CeleryTask, Set, SubWorkflow
from codegen.reading.salvage import Lost
from codegen.sub_workflows import Library
from codegen.suggestions import Suggestions
from codegen.texts import Written

RECORD = (
    "status",
    "attempts",
    "result",
    "outputs",
    "error",
    "started_at",
    "ended_at",
    "target",
    "item",
    "items",
    "unconfirmed",
)
_EARLIER = {MAIN: (), ON_FAILURE: (MAIN,), FINALLY: (MAIN, ON_FAILURE)}

Refusal = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class References:
    """What texts may say of steps. `ended`: what has ended when a step starts."""

    graph: Graph
    sight: Sight
    ended: Mapping[int, int] | None
    lost: Lost
    suggestions: Suggestions
    library: Library

    def refusal(self, name: str, rest: list[str], position: int | None, written: Written) -> Refusal:
        """What is wrong with `steps.<name>.<rest>` in a text of a step, or of the document."""
        other = self.graph.index.get(name)
        if other is None:
            return unknown_id(name, self.graph, self.lost, self.suggestions)
        early = self._in_outputs(other) if position is None else self._too_early(other, position, written)
        return early or self._absent(other, rest, position, written)

    def _in_outputs(self, other: int) -> Refusal:
        place = self.graph.steps[other]
        if place.section == MAIN:
            return None
        return (
            f'"{place.node.id}" belongs to {named(place)}; outputs are made of main steps',
            "use a main step",
        )

    def _too_early(self, other: int, position: int, written: Written) -> Refusal:
        here, there = self.graph.steps[position], self.graph.steps[other]
        if here.root != there.root:
            return _later(here, there)
        if there.section not in self.sight.sections(position):
            return _elsewhere(here, there)
        if other == position:
            return self._itself(there, written)
        if written.when != "before" and position in self.graph.ancestors(other):
            return None
        if self.ended is None or position not in self.ended or self.ended[position] >> other & 1:
            return None
        if other in self.graph.around(position):
            message = f'"{there.node.id}" contains this step and ends after it'
            return message, "use the record of a step before this one"
        return None if self._is_joined(other, position) else self._not_yet(other, position)

    def _itself(self, place: Place, written: Written) -> Refusal:
        if written.when == "after":
            return None
        message = f'"{place.node.id}" refers to its own record, which is made when it has ended'
        return message, "use result in outputs"

    def _is_joined(self, other: int, position: int) -> bool:
        """Whether it is one of several steps of which only some are waited for: who names it knows that."""
        around = (position, *self.graph.around(position))
        return any(
            other in self.graph.after(step) for step in around if self.graph.steps[step].node.join != "all"
        )

    def _not_yet(self, other: int, position: int) -> Refusal:
        name = self.graph.steps[other].node.id
        message = f'this step may run before "{name}" has ended'
        pair = self.sight.side_by_side(position, other)
        if pair is None:
            return message, "use a step that runs before this one"
        waiting, awaited = self.graph.steps[pair[0]].node, self.graph.steps[pair[1]].node
        cure = f"add depends_on: [{', '.join(dict.fromkeys((*waiting.after, awaited.id)))}]"
        if pair[0] != position:
            cure += f' to "{waiting.id}"'
        elif waiting.join != "all":
            cure = f'write join: all, or depend on "{awaited.id}" and ask for it with default(...)'
        return message, cure

    def _absent(self, other: int, rest: list[str], position: int | None, written: Written) -> Refusal:
        if not rest:
            return None
        if rest[0] not in RECORD:
            cure = self.suggestions.cure(rest[0], RECORD, "it has")
            return f'a step\'s record has no "{rest[0]:.80}"', cure
        step = self.graph.steps[other].step
        if len(rest) == 1 or step.id in self.lost.damaged or rest[0] not in ("result", "outputs"):
            return None
        runs = self.sight.runs(other, position, inside=written.when != "before")
        if runs:
            return self._in_items(other, runs, rest)
        return self._no_output(step, rest[1]) if rest[0] == "outputs" else None

    def _in_items(self, other: int, runs: list[int], rest: list[str]) -> Refusal:
        name = self.graph.steps[other].node.id
        around = [self.graph.steps[step].node.id for step in runs if step != other]
        because = f' because "{around[0]}" does' if around else ""
        cure = f"write steps.{name}{'.items[index]' * len(runs)}.{rest[0]}.{rest[1]:.80}"
        return f'"{name}" runs more than once{because}; what each run gave is in its items', cure

    def _no_output(self, step: Step, wanted: str) -> Refusal:
        outputs = [*step.outputs, *(step.values if isinstance(step, Set) else ())]
        if isinstance(step, CeleryTask) and step.task is None:
            outputs.append("tasks")
        if isinstance(step, SubWorkflow):
            known = self.library.find(step.workflow)
            if known is None:
                return None
            outputs += known[0].outputs
        if wanted in outputs:
            return None
        if not outputs:
            what = f'group "{step.id}"' if isinstance(step, Group) else f'step "{step.id}"'
            other = ", or refer to a step inside it" if isinstance(step, Group) else ""
            return f"{what} declares no outputs", f"add outputs: {{{wanted:.80}: ...}} to it{other}"
        cure = self.suggestions.cure(wanted, outputs, "it has")
        return f'step "{step.id}" has no output "{wanted:.80}"', cure


def _later(here: Place, there: Place) -> Refusal:
    """Handlers see what ran before them: the main steps, and `finally` the steps of `on_failure` too."""
    if there.root in _EARLIER[here.root]:
        return None
    message = f'"{there.node.id}" belongs to {named(there)}, which runs later if at all'
    return message, "use a step that runs before this one"


def _elsewhere(here: Place, there: Place) -> Refusal:
    """What is done about a step's failure may never happen, and an undo happens at the end if at all."""
    message = f'"{there.node.id}" belongs to {named(there)}, which runs only if it is needed'
    later = [root for root, earlier in _EARLIER.items() if here.root in earlier]
    return message, f"name it in {' or '.join(later)}" if later else "use a step of this list"
