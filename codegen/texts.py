"""The expressions and templates of a step, each with its path and the names it may use."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from codegen.fields import TextKind
from codegen.groups import Group, Step, Switch
from codegen.leaves import Leaf, own_fields, text_kind
from codegen.paths import part
from codegen.secret_use import SECRETS, may_hold_secrets

EVERYWHERE = frozenset({"params", "targets", "name", "run", "steps"})
PER_ITEM = frozenset({"target", "item", "index"})
RESULT = frozenset({"result"})
NOWHERE: frozenset[str] = frozenset()
Moment = Literal["before", "inside", "after"]


@dataclass(frozen=True, slots=True)
class Written:
    """One text, where it stands, how it is read, and which names it sees besides those known everywhere.

    `when` it is read: as the step starts, `inside` it when those in it have ended, or `after` its failure.
    """

    path: str
    kind: TextKind
    text: str
    names: frozenset[str] = NOWHERE
    when: Moment = "before"


def fans_out(step: Step) -> bool:
    """Whether the step runs once per target or item."""
    return step.on is not None or step.for_each is not None


def texts(path: str, step: Step, names: frozenset[str]) -> Iterator[Written]:
    """Every text of a step. `names` are those that its place gives, such as `error` in a handler."""
    within = names | (PER_ITEM if fans_out(step) else NOWHERE)
    if isinstance(step.for_each, str):
        yield Written(f"{path}.for_each", "expression", step.for_each, names)
    else:
        yield from _nested(f"{path}.for_each", "template", step.for_each, names)
    if step.on is not None:
        yield Written(f"{path}.on", "template", step.on, names)
    if step.when is not None:
        yield Written(f"{path}.when", "expression", step.when, within)
    yield from _own(path, step, within)
    yield from _judging(path, step, within)


def _judging(path: str, step: Step, names: frozenset[str]) -> Iterator[Written]:
    """What is read once the step has done its work. A group has no result of its own."""
    known = names if isinstance(step, Group) else names | RESULT
    conditions = {"failed_when": step.failed_when, "succeeded_when": step.succeeded_when}
    if not isinstance(step, Group):
        yield from _nested(path, "expression", conditions, known, "inside")
    yield from _nested(f"{path}.outputs", "template", step.outputs, known, "inside")
    if step.repeat is not None:
        ends = {"until": step.repeat.until, "while": step.repeat.while_}
        yield from _nested(f"{path}.repeat", "expression", ends, known, "inside")
    if step.on_error is not None and step.on_error.when is not None:
        yield Written(f"{path}.on_error.when", "expression", step.on_error.when, names | {"error"}, "after")


def _own(path: str, step: Step, names: frozenset[str]) -> Iterator[Written]:
    if isinstance(step, Switch):
        yield Written(f"{path}.value", "expression", step.value, names)
    if not isinstance(step, Leaf):
        return
    fields = own_fields(step)
    for key, value in fields.items():
        kind = text_kind(type(step), key, fields)
        if kind is not None:
            alias = type(step).model_fields[key].alias or key
            known = names | {SECRETS} if may_hold_secrets(type(step), key) else names
            yield from _nested(f"{path}.{alias}", kind, value, known)


def _nested(
    path: str, kind: TextKind, value: Any, names: frozenset[str], when: Moment = "before"
) -> Iterator[Written]:
    if isinstance(value, str):
        yield Written(path, kind, value, names, when)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _nested(path + part(key), kind, item, names, when)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            inner = "template" if kind == "shell" else kind
            yield from _nested(f"{path}[{index}]", inner, item, names, when)
