"""Reads JSON: fast into plain data, and once more with places where there is something to say."""

import json
import re
from collections.abc import Iterable
from typing import Any

from codegen.reading.building import Builder
from codegen.reading.marks import Place

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<sign>[\[\]{}:,])|(?P<word>[^\s\[\]{}:,"]+))'
)


class NotPlainError(ValueError):
    """JSON that Python reads but a document can't hold: a key twice, or NaN."""


def read_json(text: str) -> Any:
    """The data of a JSON text; ValueError or RecursionError if it needs a closer look."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)


def mark_json(text: str, file: str) -> Builder:
    """The builder that has taken a text which is JSON."""
    builder = Builder(file)
    lines = _Lines(text)
    for token in _TOKEN.finditer(text.rstrip()):
        start = token.start(token.lastgroup or 0)
        match token["sign"]:
            case "{" | "[" as sign:
                builder.open({} if sign == "{" else [], lines.place(start))
            case "}" | "]":
                builder.close()
            case None:
                value = json.loads(token["text"] or token["word"], strict=False)
                builder.scalar(value, value if isinstance(value, str) else token["word"], lines.place(start))
    return builder


class _Lines:
    """Turns growing offsets into lines and columns."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line, self._start = 1, 0

    def place(self, offset: int) -> Place:
        while (end := self._text.find("\n", self._start, offset)) >= 0:
            self._line, self._start = self._line + 1, end + 1
        return Place(self._line, offset - self._start + 1)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    given = list(pairs)
    data = dict(given)
    if len(data) != len(given):
        raise NotPlainError("a key is written twice")
    return data


def _refuse_constant(name: str) -> Any:
    raise NotPlainError(f"{name} is no JSON number")
