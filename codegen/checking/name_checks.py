"""Checks of the names in expressions and templates: known at all, known here, and known by then."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codegen.checking.graph import Graph, Place
from codegen.checking.order_checks import FINALLY, ON_FAILURE
from codegen.checking.references import References
from codegen.errors import Problem
from codegen.expressions import ExpressionError, parse_template
from codegen.groups import Group
from codegen.leaves import SubWorkflow
from codegen.mentions import Mentions, of_expression, of_template
from codegen.parameters import secret_parameters
from codegen.reading.salvage import Lost
from codegen.secret_use import ELSEWHERE as SECRETS_CURE
from codegen.secret_use import PARAMS, SECRETS, misused
from codegen.suggestions import Suggestions
from codegen.texts import EVERYWHERE, NOWHERE, PER_ITEM, RESULT, Written, fans_out, texts
from codegen.workflow import Workflow

ERROR = ("message", "step", "target", "index", "place")
ELSEWHERE = {
    "target": "it is known in a step with 'on'; set it, or name the target",
    "item": "it is known in a step with 'for_each' or 'on'",
    "index": "it is known in a step with 'for_each' or 'on'",
    "result": "it is known in outputs, failed_when, succeeded_when and repeat; use steps.<id>.result",
    "error": "it is known in on_failure, finally and on_error; steps.<id>.error has that of a step",
}
CHANGED = "a secret can only be hidden as it is, and this looks into it or changes it"
AS_IT_IS = "write {{{{ {} }}}}, joined by ~ or written by urlencode or to_json, and store what is needed"
KEPT = "secrets can't be used here: it would be stored or shown"
_DAMAGED = PER_ITEM | RESULT | {"error"}
_HANDLES_FAILURE = (ON_FAILURE, FINALLY)


@dataclass(frozen=True, slots=True)
class Names:
    """What the texts of a document may refer to."""

    workflow: Workflow
    graph: Graph
    references: References
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
        around = place.node.parent or place.owner
        if around is None:
            return frozenset({"error"}) if place.section in _HANDLES_FAILURE else NOWHERE
        position = self.graph.index[around]
        known = before[position] | (PER_ITEM if fans_out(self.graph.steps[position].step) else NOWHERE)
        is_handler = place.node.parent is None and not place.is_undo
        return known | {"error"} if is_handler else known

    def _check(self, written: Written, position: int | None) -> Iterator[Problem]:
        if written.kind == "shell":
            yield from _unquotable(written)
        mentions = (of_expression if written.kind == "expression" else of_template)(written.text)
        for name in sorted(mentions.names - EVERYWHERE - written.names):
            yield self._unknown(written, name, position)
        refusals = [self._refusal(list(path), position, written) for path in mentions.paths]
        if not any(refusals) and not mentions.keeps_secrets and SECRETS in written.names:
            refusals.append((CHANGED, AS_IT_IS.format("secrets.<name>")))
        refusals.append(self._secret_parameters(written, mentions, position))
        yield from (Problem(written.path, *refusal) for refusal in refusals if refusal)

    def _secret_parameters(
        self, written: Written, mentions: Mentions, position: int | None
    ) -> tuple[str, str] | None:
        """What is wrong with a text that uses parameters which stand for secrets."""
        secret = secret_parameters(self.workflow.parameters) if PARAMS in mentions.names else NOWHERE
        below = [path for path in mentions.paths if path[0] == PARAMS and secret]
        if (PARAMS,) in below:
            return "one of the parameters is a secret, so they are named one by one", "write params.<name>"
        used = [path for path in below if path[1] in secret]
        if not used or self._is_handed_over(written, position):
            return None
        if SECRETS not in written.names:
            return f'the parameter "{used[0][1]}" is a secret, and {KEPT}', SECRETS_CURE
        if wrong := next(filter(None, map(misused, used)), None):
            return wrong
        if not parse_template(written.text).keeps_parameters(secret):
            return CHANGED, AS_IT_IS.format(f"params.{used[0][1]}")
        return None

    def _is_handed_over(self, written: Written, position: int | None) -> bool:
        """Whether it is for a parameter of another document, whose declaration decides."""
        if position is None:
            return False
        place = self.graph.steps[position]
        return isinstance(place.step, SubWorkflow) and written.path.startswith(f"{place.path}.parameters")

    def _unknown(self, written: Written, name: str, position: int | None) -> Problem:
        if name in ELSEWHERE:
            return Problem(written.path, f'"{name}" isn\'t known here', self._where(name, written, position))
        if name == SECRETS:
            if self._is_handed_over(written, position):
                cure = "declare the parameter there as a secret, and give it the secret's name as it is"
                return Problem(written.path, KEPT, cure)
            return Problem(written.path, KEPT, SECRETS_CURE)
        if name in self.workflow.parameters:
            cure = f"write params.{name}"
        elif name in self.graph.index:
            cure = f"write steps.{name}"
        else:
            names = sorted(EVERYWHERE | written.names)
            cure = self.suggestions.cure(name, names, "names known here")
        return Problem(written.path, f'unknown name "{name:.80}"', cure)

    def _where(self, name: str, written: Written, position: int | None) -> str:
        """Where a name is known, or what to use instead."""
        if name == "result" and written.when != "before" and position is not None:
            step = self.graph.steps[position].step
            if isinstance(step, Group):
                return "a group has no result; name a step inside it: steps.<id>.result"
            return f"write steps.{step.id}.result"
        return ELSEWHERE[name]

    def _refusal(self, path: list[str], position: int | None, written: Written) -> tuple[str, str] | None:
        match path:
            case ["params", name, *_]:
                return self._unknown_parameter(name)
            case ["steps", name, *rest]:
                return self.references.refusal(name, rest, position, written)
            case ["secrets", *_] if SECRETS in written.names:
                return misused(tuple(path))
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


def _unquotable(written: Written) -> Iterator[Problem]:
    try:
        parse_template(written.text).check_shell()
    except ExpressionError as error:
        yield Problem(written.path, error.problem, error.cure)
