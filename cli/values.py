"""The values of `-p name=value`: text becomes what the parameter's declared type says."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from codegen.errors import ParameterError, Problem
from codegen.parameters import Parameter, ParameterType, check_values
from codegen.paths import written

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}")
_HINTS: dict[ParameterType, str] = {
    "boolean": "write true or false",
    "array": 'write it as JSON, such as ["a", "b"]',
    "object": 'write it as JSON, such as {"a": 1}',
}


def parameter_values(declared: Mapping[str, Parameter], given: Iterable[str]) -> dict[str, Any]:
    """The values of a run from `name=value` texts, defaults filled in.

    Raises ParameterError with everything that is wrong.
    """
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            problems.append(
                Problem("parameters", f"{text!r:.200} has no name or no =", "write -p name=value")
            )
        elif name in values:
            problems.append(_twice(name, value, declared.get(name)))
        else:
            values[name] = _converted(declared[name].type, value) if name in declared else value
    try:
        checked = check_values(declared, values)
    except ParameterError as error:
        problems += [_with_hint(problem, declared, values) for problem in error.problems]
    if problems:
        raise ParameterError(problems)
    return checked


def _twice(name: str, value: str, parameter: Parameter | None) -> Problem:
    shown = "" if parameter is not None and parameter.secret else f", again as {value!r:.80}"
    return Problem(written(("parameters", name)), f"it is given twice{shown}", "keep one")


def _converted(kind: ParameterType, text: str) -> Any:
    """The value; a text that can't be read as such stays as it is, and is refused with all other values."""
    try:
        return _CONVERTERS[kind](text)
    except (ValueError, RecursionError):
        return text


def _with_hint(problem: Problem, declared: Mapping[str, Parameter], values: Mapping[str, Any]) -> Problem:
    name = problem.path.removeprefix("parameters.")
    kind = declared[name].type if name in declared else "string"
    if kind not in _HINTS or not isinstance(values.get(name), str):
        return problem
    return replace(problem, cure="; ".join(filter(None, [problem.cure, _HINTS[kind]])))


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text.strip()):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if _INTEGER.fullmatch(text.strip()):
        return int(text)
    number = float(text)
    if not math.isfinite(number) or "_" in text:
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_refused)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


_CONVERTERS: dict[ParameterType, Callable[[str], Any]] = {
    "string": str,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _json,
    "object": _json,
}
