"""What there is to do for one step, wherever it was written down: in a document or in a generated flow."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from codegen.errors import ParameterError
from codegen.schedule import Node
from codegen.targets import check_targets
from steps.data import json_data
from steps.errors import StepFailed
from steps.scope import Outcome, Scope

Perform = Callable[[Scope], Awaitable[Outcome]]
LONGEST_FAN_OUT = 10_000


@dataclass(frozen=True, slots=True)
class Work:
    """One step: its place in the order, and how to do it.

    `on` and `for_each` say over what it fans out; `perform` does one execution, all tries included.
    A group has no `perform`; one that `chooses` opens its branch `then` or `else`, as `when` says.
    """

    node: Node
    when: str | None = None
    on: str | None = None
    for_each: str | Sequence[Any] | None = None
    max_parallel: int | None = None
    perform: Perform | None = None
    chooses: bool = False

    @property
    def id(self) -> str:
        """The step's id."""
        return self.node.id

    @property
    def fans_out(self) -> bool:
        """Whether it runs once per target or item."""
        return self.on is not None or self.for_each is not None

    def executions(self, scope: Scope) -> list[tuple[str | None, Any]]:
        """The (target, item) pairs of a step that fans out."""
        if self.on is not None:
            return [(target, None) for target in _targets(self.on, scope)]
        return [(None, item) for item in _items(self.for_each, scope)]


def _targets(on: str, scope: Scope) -> list[str]:
    """Checked here too: a document's own targets are checked before the run, those of a template can't be."""
    named = scope.render(on)
    if named == "targets":
        named = scope.surroundings.targets
    targets = [str(target) for target in (named if isinstance(named, list | tuple) else (named,))]
    try:
        return list(check_targets(targets))
    except ParameterError as error:
        raise StepFailed(f"on: {error.problems[0].message} ({error.problems[0].cure})") from error


def _items(for_each: str | Sequence[Any] | None, scope: Scope) -> list[Any]:
    if isinstance(for_each, str):
        items = _listed(for_each, scope.evaluate(for_each))
    else:
        items = [scope.render(item) for item in for_each or ()]
    if len(items) > LONGEST_FAN_OUT:
        raise StepFailed(f"for_each: more than {LONGEST_FAN_OUT:,} items; split the list over several steps")
    return [json_data(item, f"for_each: item {index}") for index, item in enumerate(items)]


def _listed(expression: str, value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        raise StepFailed(f"for_each: {expression!r} gave a mapping, not a list; use its `| items | list`")
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise StepFailed(f"for_each: {expression!r} gave {type(value).__name__}, not a list")
    return list(islice(value, LONGEST_FAN_OUT + 1))
