"""What all executors share: templates filled in, tries counted, every failure a `StepFailed`."""

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec

from codegen.expressions import ExpressionError, parse_template
from codegen.leaves import Leaf, text_kind
from steps.data import json_data
from steps.errors import StepFailed
from steps.scope import Outcome, Scope

P = ParamSpec("P")
Plain = Callable[Concatenate[Scope, P], Coroutine[Any, Any, Any]]
Executor = Callable[Concatenate[Scope, P], Coroutine[Any, Any, Outcome]]
StandIn = Callable[[type[Leaf], Plain[...], Scope, Mapping[str, Any]], Coroutine[Any, Any, Any]]

_stand_in: ContextVar[StandIn | None] = ContextVar("opsconductor_stand_in", default=None)


@contextmanager
def rehearsed(stand_in: StandIn) -> Iterator[None]:
    """Inside the block no executor does its work: the stand-in gets the type of the step, what would have
    done the work, and the values that it would have been given.
    """
    token = _stand_in.set(stand_in)
    try:
        yield
    finally:
        _stand_in.reset(token)


def executor(model: type[Leaf]) -> Callable[[Plain[P]], Executor[P]]:
    """Make a plain function the executor of a step type.

    The function's arguments are the type's own keys. It is called with values: templates are filled in
    as the type's fields say, shell text with quoting. Whatever it raises reaches the caller as `StepFailed`.
    """

    def decorate(function: Plain[P]) -> Executor[P]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        async def run(scope: Scope, /, *args: P.args, **kwargs: P.kwargs) -> Outcome:
            scope.attempts += 1
            given = signature.bind(scope, *args, **kwargs).arguments
            scope_name = next(iter(signature.parameters))
            del given[scope_name]
            try:
                values = filled(model, given, scope)
                stand_in = _stand_in.get()
                if stand_in is None:
                    result = await function(scope, **values)  # type: ignore[call-arg]
                else:
                    result = await stand_in(model, function, scope, values)
                if isinstance(result, Outcome):
                    return result
                return Outcome(json_data(result, "the result"))
            except StepFailed as failure:
                failure.result = json_data(failure.result, "the result")
                raise
            except Exception as error:
                raise StepFailed(f"{type(error).__name__}: {error}") from error

        return run

    return decorate


def filled(model: type[Leaf], given: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """The keys of a step with their templates filled in; expressions stay as they are."""
    return {key: _filled(model, key, given, scope) for key in given}


def _filled(model: type[Leaf], key: str, given: Mapping[str, Any], scope: Scope) -> Any:
    kind = text_kind(model, key, given)
    value = given[key]
    if kind == "shell" and isinstance(value, str):
        try:
            return parse_template(value).render_shell(scope.names())
        except ExpressionError as error:
            raise StepFailed(str(error)) from error
    return scope.render(value) if kind in ("template", "shell") else value
