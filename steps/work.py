"""What there is to do for one step, wherever it was written down: in a document or in a generated flow."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from codegen.schedule import Node
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
            named = self.on if self.on == "targets" else scope.render(self.on)
            targets = scope.surroundings.targets if named == "targets" else _listed(named)
            return [(str(target), target) for target in targets]
        return [(None, item) for item in _items(self.for_each, scope)]


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _items(for_each: str | Sequence[Any] | None, scope: Scope) -> list[Any]:
    if isinstance(for_each, str):
        value = scope.evaluate(for_each)
        if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
            raise StepFailed(f"for_each: {for_each!r} gave {type(value).__name__}, not a list")
        items = list(value)
    else:
        items = [scope.render(item) for item in for_each or ()]
    if len(items) > LONGEST_FAN_OUT:
        raise StepFailed(f"for_each: {len(items)} items; at most {LONGEST_FAN_OUT} are allowed")
    return items
