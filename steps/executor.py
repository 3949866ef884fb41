"""What all executors share: templates filled in, tries counted, every failure a `StepFailed`."""

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec

from codegen.expressions import ExpressionError, parse_template
from codegen.leaves import Leaf, text_kind
from codegen.secret_use import PARAMS, SECRETS, may_hold_secrets, named_parameters, named_secrets
from steps.data import json_data
from steps.errors import StepFailed
from steps.scope import Outcome, Scope
from steps.secret_values import pretended
from steps.seen import unusable

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
    In what leaves it secrets are hidden.
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
                outcome = await _done(model, function, scope, given)
            except StepFailed as failure:
                failure.hidden(scope.mask)
                raise
            return outcome.hidden(scope.mask)

        return run

    return decorate


async def _done(model: type[Leaf], function: Plain[...], scope: Scope, given: Mapping[str, Any]) -> Outcome:
    stand_in = _stand_in.get()
    try:
        if stand_in is not None:
            result = await stand_in(model, function, scope, filled(model, given, scope))
        else:
            secrets = await _looked_up(model, given, scope)
            result = await function(scope, **filled(model, given, scope, secrets))
        return result if isinstance(result, Outcome) else Outcome(json_data(result, "the result"))
    except StepFailed as failure:
        failure.result = json_data(failure.result, "the result")
        raise
    except Exception as error:
        raise StepFailed(f"{type(error).__name__}: {error}") from error


def filled(
    model: type[Leaf], given: Mapping[str, Any], scope: Scope, secrets: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The keys of a step with their templates filled in; expressions stay as they are.

    Only what is handed on sees `secrets`, by the names that give them. Left out, they are pretended ones.
    """
    known = _pretended(model, given, scope) if secrets is None else secrets
    return {
        key: _filled(model, key, given, scope, known if may_hold_secrets(model, key) else {}) for key in given
    }


async def _looked_up(model: type[Leaf], given: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """`secrets` and `params` with the values of the secrets that the step needs: the one place where
    what a parameter names becomes a value."""
    around = scope.surroundings
    named = {name: around.params[name] for name in named_parameters(model, given, around.secret_params)}
    return {
        SECRETS: await around.secrets.values(named_secrets(model, given)),
        PARAMS: {**around.params, **await around.secrets.of_parameters(named)},
    }


def _pretended(model: type[Leaf], given: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    around = scope.surroundings
    return {
        SECRETS: pretended(named_secrets(model, given)),
        PARAMS: {**around.params, **pretended(around.secret_params)},
    }


def _filled(
    model: type[Leaf], key: str, given: Mapping[str, Any], scope: Scope, more: Mapping[str, Any]
) -> Any:
    kind = text_kind(model, key, given)
    value = given[key]
    if kind == "shell" and isinstance(value, str):
        try:
            return parse_template(value).render_shell(scope.names(**more))
        except ExpressionError as error:
            raise unusable(error, parse_template, scope.names(**more), scope.mask) from error
    return scope.render(value, **more) if kind in ("template", "shell") else value
