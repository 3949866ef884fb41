"""Reads JSON: fast into plain data, and once more with places where there is something to say."""

import json
import re
from collections.abc import Iterable
from typing import Any

from codegen.errors import DocumentError, Problem
from codegen.reading.building import Builder
from codegen.reading.marks import Place

_TOKEN = re.compile(
    r'\s*(?:(?P<text>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<sign>[\[\]{}:,])|(?P<word>[^\s\[\]{}:,"]+))'
)


_TRAILING_COMMA = re.compile(r",\s*[\]}]")


_WANTED = {
    "property name": 'a key in double quotes, such as "name",',
    "value": "a value",
    "':'": "a colon",
    "','": "a comma",
}


class NotPlainError(ValueError):
    """JSON that Python reads but a document can't hold: a key twice, or NaN."""


def read_json(text: str) -> Any:
    """The data of a JSON text; ValueError or RecursionError if it needs a closer look."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)


def check_json(text: str, file: str) -> None:
    """DocumentError where a text is no JSON, although its file says so: YAML would take some of it."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        at, message, cure = _plainly(error)
        raise DocumentError([Problem("", message, cure).at(file, *_Lines(text).place(at))]) from error
    except (ValueError, RecursionError):
        return  # numbers and depths beyond every limit are told of by who counts them


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


def _plainly(error: json.JSONDecodeError) -> tuple[int, str, str]:
    """Where a parser's complaint belongs, what it means, and what mends it."""
    before, rest = error.doc[: error.pos].rstrip(), error.doc[error.pos :].lstrip()
    if before.endswith(",") and rest[:1] in ("]", "}"):
        return len(before) - 1, "JSON allows no comma after the last entry", "take it out"
    return error.pos, *_meaning(error.msg, rest)


def _meaning(complaint: str, rest: str) -> tuple[str, str]:
    if rest.startswith(("//", "/*", "#")):
        return "JSON has no comments", "take it out, or name the file .yaml and write # before it"
    if _TRAILING_COMMA.match(rest):
        return "JSON allows no comma after the last entry", "take it out"
    if rest.startswith("'"):
        return "JSON has no single quotes", 'write "..."'
    if not rest:
        return "the JSON ends too early", "close what is open: quotes, brackets and braces"
    if complaint.startswith("Invalid control character"):
        return "a line end or a tab stands within quotes", r"write \n or \t"
    wanted = next((said for what, said in _WANTED.items() if complaint.startswith(f"Expecting {what}")), None)
    if wanted is not None:
        return f"JSON wants {wanted} here", "write it, or name the file .yaml if it is YAML"
    return f"this is no JSON: {complaint[:1].lower()}{complaint[1:]}", "correct it, or name the file .yaml"


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
