"""Values as Python text: the only place where data of a document becomes source code.

Python reads the text back as the very value it was made of, whatever that holds.
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NewType

Code = NewType("Code", str)

LINE = 110
NARROWEST = 24
_WIDEST_KEY = 50
_ENDING_QUOTES = re.compile(r'"{3,}|\A"+|"+\Z')
_ITEM = re.compile(r"\s*(?:[-*+#>|`~]|\w{1,3}[.):])")
_UNTIDY = re.compile(r' \n| \Z|"""|"\Z')


def literal(value: Any, column: int = 0) -> Code:
    """JSON data as a Python literal; tuples become lists. Long texts are broken to fit their lines.

    `column` is where the literal will stand on its line.
    """
    if value is None or isinstance(value, bool | int):
        return Code(repr(value))
    if isinstance(value, str):
        return _text(value, column, alone=True)
    if isinstance(value, float) and math.isfinite(value):
        return Code(repr(value))
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return Code("{" + ", ".join(_entry(key, item, column + 4) for key, item in value.items()) + "}")
    if isinstance(value, list | tuple):
        return Code("[" + ", ".join(_within(item, column + 4) for item in value) + "]")
    raise TypeError(f"{value!r:.80} is no JSON data, so it can't be written as Python; use a text instead")


def docstring(text: str, indent: int = 0) -> Code:
    """A text as a docstring that stands at the column `indent`.

    `inspect.cleandoc` gives the text back, but for white space at the end of its lines.
    """
    trimmed = "\n".join(line.rstrip() for line in text.expandtabs().split("\n")).rstrip("\n")
    body = _ENDING_QUOTES.sub(lambda quotes: '\\"' * len(quotes[0]), trimmed.replace("\\", "\\\\"))
    if not body.isprintable():
        body = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in body)
    margin = " " * indent
    if "\n" in body:
        body = re.sub(r"\n(?=[^\n])", f"\n{margin}", body) + f"\n{margin}"
    return Code(f'"""{body}"""')


def prose(text: str, indent: int = 0) -> str:
    """A text with its long lines broken between words, so that it fits as a docstring."""
    room = LINE - indent - 6
    return "\n".join(part for line in _flowing(text.split("\n"), room) for part in _broken(line, room))


def columns(text: str) -> int:
    """How wide a text is once it is written as Python."""
    if text.isascii() and text.isprintable():
        return len(text) + text.count("\\") + text.count('"') + text.count("'")
    return sum(map(_width, text))


def _text(text: str, column: int, *, alone: bool) -> Code:
    room = max(LINE - column - 1, NARROWEST)
    if "\n" in (text if alone else text[:-1]) and _is_tidy(text):
        escaped = text.replace("\\", "\\\\")
        return Code(f'"""\\\n{escaped}"""')
    return _one_line(text, room) or _in_pieces(text, column, room - 4)


def _within(value: Any, column: int) -> Code:
    """A value inside a list or mapping, where a single line does not become a block."""
    return _text(value, column, alone=False) if isinstance(value, str) else literal(value, column)


def _is_tidy(text: str) -> bool:
    """Whether a text of several lines may stand as it is, between triple quotes."""
    return (
        not text.isspace()
        and not _UNTIDY.search(text)
        and text.replace("\n", "").isprintable()
        and all(columns(line) <= LINE - 4 for line in text.split("\n"))
    )


def _one_line(text: str, room: int) -> Code | None:
    written = repr(text)
    return Code(written) if "\n" not in text[:-1] and _printed(written) <= room else None


def _in_pieces(text: str, column: int, room: int) -> Code:
    margin = "\n" + " " * (column + 4)
    pieces = _pieces(text, room - 2)
    return Code(f"({margin}{margin.join(map(repr, pieces))}\n{' ' * column})")


def _pieces(text: str, room: int) -> Iterator[str]:
    """A text cut into pieces of at most `room` columns: after line ends, else after spaces, else anywhere.

    Spaces inside `{{ }}` come last: an expression is read more easily in one piece.
    """
    start = space = inner = width = 0
    within = False
    for position, character in enumerate(text):
        width += _width(character)
        if width > room and position > start:
            end = next((cut for cut in (space, inner) if cut > start), position)
            yield text[start:end]
            start, width = end, columns(text[end : position + 1])
        if character in "{}":
            within = text.startswith("{{", position) or (within and not text.startswith("}}", position))
        if character == "\n":
            yield text[start : position + 1]
            start, width = position + 1, 0
        elif character == " " and within:
            inner = position + 1
        elif character == " ":
            space = position + 1
    if start < len(text):
        yield text[start:]


def _entry(key: str, value: Any, column: int) -> str:
    name = _one_line(key, _WIDEST_KEY) or _in_pieces(key, column, _WIDEST_KEY)
    if not isinstance(value, str):  # what stands inside it is as far to the right as if it had no name
        return f"{name}: {literal(value, column)}"
    return f"{name}: {_within(value, column + min(_printed(name), _WIDEST_KEY) + 2)}"


def _flowing(lines: Iterable[str], room: int) -> Iterator[str]:
    """The lines, each that is too long together with what follows it in its paragraph."""
    long: str | None = None
    for line in lines:
        if long is not None and _goes_on(long, line):
            long += f" {line.strip()}"
            continue
        if long is not None:
            yield long
        long = line if columns(line) > room else None
        if long is None:
            yield line
    if long is not None:
        yield long


def _goes_on(line: str, following: str) -> bool:
    """Whether the line after one is the same paragraph: as far to the right, and no item of a list."""
    if not following.strip() or _ITEM.match(following):
        return False
    return len(line) - len(line.lstrip()) == len(following) - len(following.lstrip())


def _broken(line: str, room: int) -> Iterator[str]:
    """A line broken between words; each part begins with the line's own margin."""
    if columns(line) <= room:
        yield line
        return
    margin = line[: min(len(line) - len(line.lstrip(" ")), room // 2)]
    current, width = margin, len(margin)
    for word in line.split():
        wider = width + columns(word) + 1
        if wider > room and width > len(margin):
            yield current
            current, width = margin, len(margin)
            wider = width + columns(word) + 1
        current += f" {word}" if width > len(margin) else word
        width = wider
    yield current


def _width(character: str) -> int:
    if not character.isprintable() or character in "\\\"'":
        return 2 if character in "\"'" else len(repr(character)) - 2
    return _printed(character)


def _printed(text: str) -> int:
    """The columns that a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
