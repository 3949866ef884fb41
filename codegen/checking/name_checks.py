"""Checks of the names in expressions and templates: known at all, known here, and known by then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from codegen.checking.graph import Graph, Place
from codegen.checking.order_checks import FINALLY, MAIN, ON_FAILURE, unknown_id
from codegen.errors import Problem
from codegen.expressions import ExpressionError, parse_template
from codegen.leaves import Set
from codegen.mentions import of_expression, of_template
from codegen.reading.salvage import Lost
from codegen.suggestions import Suggestions
from codegen.texts import EVERYWHERE, NOWHERE, PER_ITEM, RESULT, Written, fans_out, texts
from codegen.workflow import Group, Step, Workflow

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
)
ERROR = ("message", "step", "target", "index")
ELSEWHERE = {
    "target": "it is known in a step with 'on'; set it, or name the target",
    "item": "it is known in a step with 'for_each' or 'on'",
    "index": "it is known in a step with 'for_each' or 'on'",
    "result": "it is known in outputs, failed_when, succeeded_when and repeat; use steps.<id>.result",
    "error": "it is known in on_failure, finally and on_error",
}
UNBUILT = "secrets"
_DAMAGED = PER_ITEM | RESULT | {"error"}
_HANDLES_FAILURE = (ON_FAILURE, FINALLY)


@dataclass(frozen=True, slots=True)
class Names:
    """What the texts of a document may refer to. `ended`: what has ended when a step starts."""

    workflow: Workflow
    graph: Graph
    ended: Mapping[int, int] | None
    lost: Lost
    suggestions: Suggestions

    def check(self) -> Iterator[Problem]:
        """Problems of every text of the document."""
        given: list[frozenset[str]] = []
        for position, place in enumerate(self.graph.steps):
            given.append(self._given(place, given))
            names = given[position] | (_DAMAGED if place.node.id in self.lost.damaged else NOWHERE)
            for written in texts(place.path, place.step, names):
                yield from self._check(written, position)
        for name, text in self.workflow.outputs.items():
            yield from self._check(Written(f"outputs.{name}", "template", text), None)
        if self.workflow.concurrency and self.workflow.concurrency.key:
            yield from self._check(
                Written("concurrency.key", "template", self.workflow.concurrency.key), None
            )

    def _given(self, place: Place, before: Sequence[frozenset[str]]) -> frozenset[str]:
        """The names that a place in the document adds: what its group has, or what its list is for."""
        if place.node.parent is not None:
            parent = self.graph.index[place.node.parent]
            step = self.graph.steps[parent].step
            return before[parent] | (PER_ITEM if fans_out(step) else NOWHERE)
        is_handler = place.section in _HANDLES_FAILURE or place.section.endswith(".on_error.steps")
        return frozenset({"error"}) if is_handler else NOWHERE

    def _check(self, written: Written, position: int | None) -> Iterator[Problem]:
        if written.kind == "shell":
            yield from _unquotable(written)
        mentions = (of_expression if written.kind == "expression" else of_template)(written.text)
        for name in sorted(mentions.names - EVERYWHERE - written.names):
            yield self._unknown(written, name)
        for path in mentions.paths:
            problem = self._refusal(list(path), position, written)
            if problem:
                yield Problem(written.path, *problem)

    def _unknown(self, written: Written, name: str) -> Problem:
        if name in ELSEWHERE:
            return Problem(written.path, f'"{name}" isn\'t known here', ELSEWHERE[name])
        if name == UNBUILT:
            return Problem(written.path, "secrets can't be used by this version", "use a parameter")
        if name in self.workflow.parameters:
            cure = f"write params.{name}"
        elif name in self.graph.index:
            cure = f"write steps.{name}"
        else:
            names = sorted(EVERYWHERE | written.names)
            cure = self.suggestions.cure(name, names, "names known here")
        return Problem(written.path, f'unknown name "{name:.80}"', cure)

    def _refusal(self, path: list[str], position: int | None, written: Written) -> tuple[str, str] | None:
        match path:
            case ["params", name, *_]:
                return self._unknown_parameter(name)
            case ["steps", name, *rest]:
                return self._unknown_step(name) or self._too_early(name, position) or self._absent(name, rest)
            case ["error", key, *_] if "error" in written.names and key not in ERROR:
                return f'an error has no "{key:.80}"', self.suggestions.cure(key, ERROR, "it has")
            case ["run", key, *_] if key != "id":
                return f'a run has no "{key:.80}"', "it has: id"
        return None

    def _unknown_parameter(self, name: str) -> tuple[str, str] | None:
        if name in self.workflow.parameters or not self.lost.parameters:
            return None
        if not self.workflow.parameters:
            return f'no parameter is named "{name:.80}"', "declare it under parameters"
        cure = self.suggestions.cure(name, self.workflow.parameters, "parameters")
        return f'no parameter is named "{name:.80}"', cure

    def _unknown_step(self, name: str) -> tuple[str, str] | None:
        if name in self.graph.index:
            return None
        return unknown_id(name, self.graph, self.lost, self.suggestions)

    def _too_early(self, name: str, position: int | None) -> tuple[str, str] | None:
        other = self.graph.index.get(name)
        if other is None:
            return None
        theirs = self.graph.steps[other].section
        if position is None:
            message = f'"{name}" belongs to {theirs}; outputs are made of main steps'
            return None if theirs == MAIN else (message, "use a main step")
        here = self.graph.steps[position]
        if here.section != theirs:
            return _across(name, here.section, theirs)
        if other == position:
            return (
                f'"{name}" refers to its own record, which is made when it has ended',
                "use result in outputs",
            )
        if self.ended is None or position not in self.ended or self.ended[position] >> other & 1:
            return None
        if other in self.graph.ancestors(position):
            return (
                f'"{name}" contains this step and ends after it',
                "use the record of a step before this one",
            )
        return (
            f'this step may run before "{name}" has ended',
            f"add depends_on: [{', '.join(dict.fromkeys((*here.node.after, name)))}]",
        )

    def _absent(self, name: str, rest: list[str]) -> tuple[str, str] | None:
        if not rest:
            return None
        if rest[0] not in RECORD:
            cure = self.suggestions.cure(rest[0], RECORD, "it has")
            return f'a step\'s record has no "{rest[0]:.80}"', cure
        if len(rest) == 1 or name not in self.graph.index or name in self.lost.damaged:
            return None
        step = self.graph.steps[self.graph.index[name]].step
        if fans_out(step) and rest[0] in ("result", "outputs"):
            cure = f"write steps.{name}.items[index].{rest[0]}.{rest[1]:.80}"
            return f'"{name}" runs more than once; what each run gave is in its items', cure
        return self._no_output(step, rest[1]) if rest[0] == "outputs" else None

    def _no_output(self, step: Step, wanted: str) -> tuple[str, str] | None:
        outputs = [*step.outputs, *(step.values if isinstance(step, Set) else ())]
        if wanted in outputs:
            return None
        if isinstance(step, Group):
            return f'"{step.id}" is a group, which has no outputs', "refer to a step inside it"
        if not outputs:
            return f'step "{step.id}" declares no outputs', f"add outputs: {{{wanted:.80}: ...}} to it"
        cure = self.suggestions.cure(wanted, outputs, "it has")
        return f'step "{step.id}" has no output "{wanted:.80}"', cure


def _unquotable(written: Written) -> Iterator[Problem]:
    try:
        parse_template(written.text).check_shell()
    except ExpressionError as error:
        yield Problem(written.path, error.problem, error.cure)


def _across(name: str, here: str, theirs: str) -> tuple[str, str] | None:
    """Handlers see what ran before them: the main steps, and `finally` the steps of `on_failure` too."""
    if here not in (MAIN, ON_FAILURE, FINALLY):
        return None
    seen = {MAIN: (), ON_FAILURE: (MAIN,), FINALLY: (MAIN, ON_FAILURE)}[here]
    if theirs in seen:
        return None
    return f'"{name}" belongs to {theirs}, which runs later if at all', "use a step that runs before this one"
