"""What a document may hold at most, and which values it may hold at all."""

import math
import re
from collections.abc import Iterator
from typing import Any

from codegen.errors import DocumentError, Problem
from codegen.paths import Path, written

MOST_BYTES = 1024 * 1024
MOST_NODES = 100_000
MOST_DEPTH = 60
LARGEST_INTEGER = 2**63 - 1

_SPLIT = "split it into several documents"
TOO_MANY = Problem("", f"the document has more than {MOST_NODES:,} values, aliases expanded", _SPLIT)
TOO_LONG = Problem("", f"the document holds more than {MOST_BYTES:,} characters, aliases expanded", _SPLIT)
TOO_DEEP = Problem("", f"the document is nested more than {MOST_DEPTH} levels deep", "flatten it")

_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


def too_large(size: int) -> Problem:
    """A document that is refused unread."""
    return Problem("", f"the document has {size:,} bytes; at most {MOST_BYTES:,} are allowed", _SPLIT)


def check_data(data: Any) -> list[Problem]:
    """Problems of single values that JSON can't hold; DocumentError for a document too large or too deep."""
    problems: list[Problem] = []
    nodes = characters = 0
    todo: list[tuple[Path, Any]] = [((), data)]
    while todo:
        path, value = todo.pop()
        nodes += 1
        if isinstance(value, str):
            characters += len(value)
        if nodes > MOST_NODES or characters > MOST_BYTES:
            raise DocumentError([TOO_MANY if nodes > MOST_NODES else TOO_LONG])
        if isinstance(value, dict | list | tuple):
            if len(path) >= MOST_DEPTH:
                raise DocumentError([TOO_DEEP])
            if isinstance(value, dict):
                nodes += len(value)
                characters += sum(len(key) for key in value if isinstance(key, str))
            todo += _entries(path, value, problems)
        elif message := _refusal(value):
            problems.append(Problem(written(path), *message))
    return problems


def unfit(value: Any) -> str | None:
    """Why JSON, or this version, can't hold a value; None if it can."""
    try:
        problems = check_data(value)
    except DocumentError as error:
        return error.problems[0].message.replace("the document", "the value")
    return problems[0].message if problems else None


def _entries(
    path: Path, value: dict[Any, Any] | list[Any] | tuple[Any, ...], problems: list[Problem]
) -> Iterator[tuple[Path, Any]]:
    if not isinstance(value, dict):
        yield from (((*path, index), item) for index, item in enumerate(value))
        return
    for key, item in value.items():
        if isinstance(key, str) and not _NO_TEXT.search(key):
            yield (*path, key), item
        else:
            problems.append(Problem(written(path), f"{key!r:.80} can't be a key", "keys are text"))


def _refusal(value: Any) -> tuple[str, str] | None:
    match value:
        case None | bool():
            return None
        case str():
            is_text = not _NO_TEXT.search(value)
            return None if is_text else ("the text holds a NUL or half of a surrogate pair", "take it out")
        case int():
            fits = abs(value) <= LARGEST_INTEGER
            return None if fits else (f"whole numbers go up to {LARGEST_INTEGER:,}", "put it in quotes")
        case float():
            is_number = math.isfinite(value)
            return None if is_number else (f"{value} is no JSON number", "write a finite number")
        case _:
            return f"a {type(value).__name__} is no JSON value", "use texts, numbers, lists and mappings"
