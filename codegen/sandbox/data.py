"""Filters and tests for JSON and regular expressions."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from codegen.sandbox.errors import Refusal
from codegen.sandbox.limits import MAX_TEXT, Budget, kind
from codegen.sandbox.patterns import Found, compile_pattern


def to_json(budget: Budget, value: Any, indent: int | None = None) -> str:
    """JSON text."""
    if indent is not None and not 0 <= indent <= 8:
        raise Refusal("to_json indents by 0 to 8 spaces")
    budget.weigh(value)
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=indent, default=_plain)
    chunks: list[str] = []
    room = MAX_TEXT
    for chunk in encoder.iterencode(value):
        room -= len(chunk)
        if room < 0:
            budget.grow(MAX_TEXT + 1)
        chunks.append(chunk)
    budget.grow(MAX_TEXT - room)
    return "".join(chunks)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return vars(value)
    if is_dataclass(value):
        names = (field.name for field in fields(value) if not field.name.startswith("_"))
        return {name: getattr(value, name) for name in names}
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise Refusal(f"{kind(value)} has no JSON form")


def from_json(budget: Budget, value: Any) -> Any:
    """The value that a JSON text stands for."""
    text = budget.text(value)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Refusal(
            f"the text is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error


def regex_search(
    budget: Budget,
    value: Any,
    pattern: str,
    *groups: str | int,
    ignorecase: bool = False,
    multiline: bool = False,
) -> Any:
    """The first match, one group of it, or a list of several; none where nothing matches."""
    found = compile_pattern(pattern, ignorecase, multiline).search(budget, budget.text(value))
    if found is None:
        return None
    wanted = [found.group(group) for group in groups]
    return found.group() if not groups else wanted[0] if len(wanted) == 1 else wanted


def regex_findall(
    budget: Budget, value: Any, pattern: str, ignorecase: bool = False, multiline: bool = False
) -> list[Any]:
    """All matches; of a pattern with one group that group, with several a list of them."""
    compiled = compile_pattern(pattern, ignorecase, multiline)
    return [_groups(found, len(compiled.groups)) for found in compiled.find_all(budget, budget.text(value))]


def _groups(found: Found, count: int) -> Any:
    groups = [found.group(number) or "" for number in range(1, count + 1)]
    return found.group() if count == 0 else groups[0] if count == 1 else groups


def regex_replace(
    budget: Budget,
    value: Any,
    pattern: str,
    replacement: str = "",
    count: int = 0,
    ignorecase: bool = False,
    multiline: bool = False,
) -> str:
    """Every match, or the first `count`, replaced; `\\1` and `\\g<name>` stand for groups."""
    text = budget.text(value)
    parts: list[str] = []
    end = 0
    for number, found in enumerate(compile_pattern(pattern, ignorecase, multiline).find_all(budget, text)):
        if count and number == count:
            break
        start, after = found.span
        parts += text[end:start], found.expand(budget, replacement)
        budget.grow(sum(map(len, parts[-2:])))
        end = after
    budget.grow(sum(map(len, parts)) + len(text) - end)
    return "".join([*parts, text[end:]])


def matches(
    budget: Budget, value: Any, pattern: str, ignorecase: bool = False, multiline: bool = False
) -> bool:
    """Whether the text starts with a match."""
    return compile_pattern(pattern, ignorecase, multiline).match(budget, budget.text(value)) is not None


def searches(
    budget: Budget, value: Any, pattern: str, ignorecase: bool = False, multiline: bool = False
) -> bool:
    """Whether there is a match anywhere in the text."""
    return compile_pattern(pattern, ignorecase, multiline).search(budget, budget.text(value)) is not None
