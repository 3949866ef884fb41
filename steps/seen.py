"""What a step fails with where a text of it has no value: with the values that it saw."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from codegen.expressions import Expression, ExpressionError, ExpressionValueError, Reference, Template
from codegen.sandbox.lookup import find
from steps.errors import StepFailed
from steps.masking import Mask

LONGEST = 60
MOST = 4


def unusable(
    error: ExpressionError,
    parse: Callable[[str], Expression | Template],
    names: Mapping[str, Any],
    mask: Mask,
) -> StepFailed:
    """`cannot use "+" between str and int, in "steps.a.outputs.n + 1"; steps.a.outputs.n is "4"`."""
    if not isinstance(error, ExpressionValueError):
        return StepFailed(str(error))
    values = _seen(parse(error.text).references, names, mask)
    return StepFailed(f"{error}; {values}" if values else str(error))


def _seen(references: Iterable[Reference], names: Mapping[str, Any], mask: Mask) -> str:
    """What those names stood for that mean one value or a list."""
    paths = sorted({reference.path for reference in references})
    named = ((".".join(path), shown(_value(path, names), mask)) for path in paths)
    said = [f"{name} is {value}" for name, value in named if value is not None]
    more = [f"and {len(said) - MOST} more names"] if len(said) > MOST else []
    return ", ".join([*said[:MOST], *more])


def _value(path: tuple[str, ...], names: Mapping[str, Any]) -> Any:
    value = {} if path[0] == "secrets" else names.get(path[0], {})
    for key in path[1:]:
        value = find(value, key, "")
    return value


def shown(value: Any, mask: Mask) -> str | None:
    """The value as JSON, cut short; what is secret is taken out before. None: it is something larger."""
    if isinstance(value, list | tuple):
        value = list(value[:LONGEST])
    elif isinstance(value, Mapping):
        return None
    try:
        if not _is_plain(value):
            return None
        text = json.dumps(mask.data(value), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):  # a number of thousands of digits, a list in itself
        return None
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _is_plain(value: Any) -> bool:
    """Whether it is nothing but texts, numbers and their like: all else would be written past the mask."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(inner) for key, inner in value.items())
    return value is None or isinstance(value, str | int | float)
