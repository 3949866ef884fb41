"""`'%s has %d' | format(name, count)`: printf-style texts of bounded size."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2.runtime import Undefined

from codegen.sandbox.errors import LimitRefusal, Refusal
from codegen.sandbox.limits import Budget, kind

MAX_WIDTH = 1_000

_PLACE = re.compile(
    r"%(?:\((?P<name>[^()]*)\))?(?P<flags>[#0\- +]*)(?P<width>[0-9]{0,18})"
    r"(?:\.(?P<precision>[0-9]{0,18}))?(?P<type>.)?",
    re.S,
)


def printf(budget: Budget, template: str, values: Any) -> str:
    """The template with its places filled: from a tuple, by name from a mapping, or from one value."""
    parts: list[str] = []
    given = iter(values) if isinstance(values, tuple) else iter((values,))
    end = 0
    for place in _PLACE.finditer(template):
        parts += template[end : place.start()], _filled(budget, place, values, given)
        budget.spend(len(parts[-1]))
        end = place.end()
    if not isinstance(values, Mapping) and next(given, None) is not None:
        raise Refusal("there are more values than places in the format", "write one % place for each value")
    text = "".join([*parts, template[end:]])
    budget.grow(len(text))
    return text


def _filled(budget: Budget, place: re.Match[str], values: Any, given: Iterator[Any]) -> str:
    conversion = place["type"]
    if conversion == "%":
        return "%"
    if conversion is None or conversion not in "diouxXeEfFgGcs":
        raise Refusal(
            f'"{place[0]}" is no place of a format', "use %s, %d or %.2f, and %% for a percent sign"
        )
    if int(place["width"] or 0) > MAX_WIDTH or int(place["precision"] or 0) > MAX_WIDTH:
        raise LimitRefusal(f"a format place is wider than {MAX_WIDTH:,}", "use a smaller width")
    value = _value(place["name"], values, given)
    if conversion == "s" or isinstance(value, Undefined):
        value = budget.text(value)
        budget.grow(len(value))
    specification = f"%{place['flags']}{place['width']}"
    if place["precision"] is not None:
        specification += f".{place['precision']}"
    try:
        return f"{specification}{conversion}" % (value,)
    except TypeError as error:
        raise Refusal(f"%{conversion} cannot show {kind(value)}", "use %s, or convert the value") from error


def _value(name: str | None, values: Any, given: Iterator[Any]) -> Any:
    if name is None:
        try:
            return next(given)
        except StopIteration as error:
            raise Refusal(
                "the format has more places than values", "give one value for each % place"
            ) from error
    if isinstance(values, Mapping) and name in values:
        return values[name]
    raise Refusal(f'the format has no value for "{name}"', f"give {name}=...")
