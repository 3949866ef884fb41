"""The names one evaluation sees, and what it has left to spend."""

from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from jinja2 import Environment, pass_context
from jinja2.runtime import Context

from codegen.sandbox.limits import Budget
from codegen.sandbox.lookup import Missing

P = ParamSpec("P")
R = TypeVar("R")


class Evaluation(Context):
    """One evaluation of a text."""

    def __init__(
        self, environment: Environment, scope: Mapping[str, Any], *, for_shell: bool = False
    ) -> None:
        # Jinja only reads from it; a copy would read values that nobody asked for.
        super().__init__(environment, scope, None, {})  # type: ignore[arg-type]
        self.budget = Budget()
        self.for_shell = for_shell

    def resolve_or_missing(self, key: str) -> Any:
        """The value of a name; what isn't there knows which names are."""
        try:
            return self.parent[key]
        except KeyError:
            return Missing(obj=self.parent, name=key)


def budgeted(function: Callable[Concatenate[Budget, P], R]) -> Callable[..., R]:
    """A filter or test that is handed the budget of the evaluation."""

    @pass_context
    def call(context: Evaluation, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return function(context.budget, *args, **kwargs)

    return call
