"""Arithmetic and joining, each asking for room before it builds."""

import operator
from collections.abc import Callable
from math import isfinite, log2
from typing import Any

from jinja2.runtime import Undefined

from codegen.sandbox.errors import LimitRefusal, Refusal
from codegen.sandbox.limits import MAX_BITS, Budget, kind
from codegen.sandbox.printf import printf

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "**": operator.pow,
    "%": operator.mod,
}
TOO_LARGE = LimitRefusal("this makes a number too large to write down", "use smaller numbers")


def binary(budget: Budget, symbol: str, left: Any, right: Any) -> Any:
    """`left symbol right`, for numbers, texts and lists."""
    if isinstance(left, str) and symbol == "%":
        return printf(budget, left, right)
    if isinstance(left, int) and isinstance(right, int):
        _check_number(symbol, left, right)
    elif symbol in ("+", "*"):
        _make_room(budget, symbol, left, right)
    try:
        result = OPERATORS[symbol](left, right)
    except TypeError as error:
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            raise
        problem = f'cannot use "{symbol}" between {kind(left)} and {kind(right)}'
        raise Refusal(problem, "convert one of them, with `| int` or `| string`") from error
    if isinstance(result, float) and not isfinite(result):
        raise TOO_LARGE
    if isinstance(result, complex):
        raise Refusal(f'"{symbol}" gives no real number here')
    return result


def concatenate(budget: Budget, values: list[Any]) -> str:
    """`a ~ b`: both as text, one after the other."""
    return join(budget, [budget.text(value) for value in values], "")


def join(budget: Budget, texts: list[str], separator: str) -> str:
    """The texts with the separator between them."""
    budget.grow(sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0))
    return separator.join(texts)


def _check_number(symbol: str, left: int, right: int) -> None:
    bits = left.bit_length() + right.bit_length()
    if symbol == "**":
        bits = int(log2(abs(left)) * right) if abs(left) > 1 else 1
    if bits > MAX_BITS:
        raise TOO_LARGE


def _make_room(budget: Budget, symbol: str, left: Any, right: Any) -> None:
    if symbol == "*" and isinstance(left, int):
        left, right = right, left
    ask = budget.grow if isinstance(left, str) else budget.collect
    if symbol == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
        ask(len(left) + len(right))
    elif symbol == "*" and isinstance(left, str | list | tuple) and isinstance(right, int):
        ask(len(left) * max(right, 0))
