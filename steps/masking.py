"""Hides secrets in texts and data, however they are written there."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from shlex import quote
from typing import Any
from urllib.parse import quote as percent

HIDDEN = "***"
SHORTEST = 4
"""Characters of a secret, or of a line of one: what is shorter stands in many a text by chance."""

MOST_FOR_ONE = 32
"""Characters that one character of a secret takes where it is written in some other way."""

_BASE64 = "A-Za-z0-9+/_-"
_CONTROLS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f", "\v": "v", "\a": "a"}


class Mask:
    """Hides what it was told of: as it is and as shells, JSON, Python, URLs, HTML and base64 write it.

    Upper and lower case are the same to it. It costs nothing as long as there is nothing to hide.
    """

    def __init__(self) -> None:
        self._sought: list[tuple[Sequence[str], re.Pattern[str]]] = []
        self._known: set[str] = set()
        self._longest = 0

    def __repr__(self) -> str:
        return f"Mask({len(self._known)} texts)"

    def __bool__(self) -> bool:
        return bool(self._sought)

    def add(self, value: str) -> None:
        """Hide this text from now on, and each of its lines: output comes line by line."""
        for text in (value, *(line.strip() for line in value.splitlines())):
            if len(text) >= SHORTEST and text not in self._known:
                self._known.add(text)
                self._longest = max(self._longest, len(text))
                # Looked for at every place: two that overlap are hidden both.
                forms = "|".join(dict.fromkeys(_forms(text)))
                self._sought.append((_needles(text), re.compile(f"(?=({forms}))", re.IGNORECASE)))

    @property
    def reach(self) -> int:
        """Of how many characters a hidden place can be at most, but for whole rows of backslashes."""
        return MOST_FOR_ONE * self._longest

    def text(self, text: str) -> str:
        """The text with everything hidden."""
        spans = self.spans(text)
        return _without(text, spans) if spans else text

    def cut(self, text: str, *, start: bool = False, end: bool = False) -> str:
        """The same of a text that was cut: what is left of a secret at the cut is hidden, too."""
        if not self:
            return text
        spans = self.spans(text)
        longest = 3 * self._longest
        if start and (size := self._left(text[:longest], at_start=True)):
            spans.append((0, size))
        if end and (size := self._left(text[-longest:], at_start=False)):
            spans.append((len(text) - size, len(text)))
        return _without(text, spans) if spans else text

    def data(self, data: Any) -> Any:
        """Data with everything hidden in its texts, also in keys; a number that holds a secret is hidden."""
        if not self:
            return data
        if isinstance(data, str):
            return self.text(data)
        if isinstance(data, Mapping):
            return {self.data(key): self.data(value) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self.data(item) for item in data]
        if isinstance(data, int | float) and not isinstance(data, bool):
            return HIDDEN if self.text(_number(data)) != _number(data) else data
        return data

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where there is something to hide; most texts have nothing, and are seen through at once."""
        folded = text.lower() if self._sought else ""
        return [
            found.span(1)
            for needles, pattern in self._sought
            if not needles or any(needle in folded for needle in needles)
            for found in pattern.finditer(text)
        ]

    def _left(self, text: str, *, at_start: bool) -> int:
        """How many characters at a cut are the rest of a secret."""
        folded = text.lower()
        sizes = (
            size
            for known in self._known
            for form in _spelled(known)
            for size in range(1, min(len(form), len(text) + 1))
            if (folded.startswith(form[-size:]) if at_start else folded.endswith(form[:size]))
        )
        return max(sizes, default=0)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    parts, position, end = [], 0, -1
    for begin, stop in sorted(spans):
        if begin >= end:
            if end >= 0:
                position = end
            parts += [text[position:begin], HIDDEN]
        end = max(end, stop)
    return "".join([*parts, text[end:]])


def _forms(value: str) -> Iterator[str]:
    """Patterns of the ways to write a text, the longest first. None can match one text in two ways."""
    yield "".join(map(_percent, value))
    yield _escaped(value)
    for one_quote in ("'\"'\"'", "'\\''"):
        yield re.escape(value.replace("'", one_quote))
    yield re.escape(escape(value))
    yield re.escape(value)
    for core in _base64(value):
        yield f"[{_BASE64}]{{0,2}}{re.escape(core)}[{_BASE64}]{{0,2}}={{0,2}}"


def _needles(value: str) -> Sequence[str]:
    """Pieces of which any form of the text has one; none where that can't be said."""
    longest = max(re.findall("[a-z0-9]+", value.lower(), re.ASCII), key=len, default="")
    return [longest, *dict.fromkeys(map(str.lower, _base64(value)))] if len(longest) > 1 else []


def _spelled(value: str) -> set[str]:
    """The most usual of these forms, in lower case."""
    forms = {value, quote(value), percent(value, safe=""), json.dumps(value)[1:-1]}
    return {form.lower() for form in (*forms, *_base64(value))}


def _percent(character: str) -> str:
    """As in a URL; which characters are left as they are differs from writer to writer."""
    if character.isascii() and character.isalnum():
        return character
    encoded = percent(character, safe="").replace(".", "%2E").replace("-", "%2D")
    encoded = encoded.replace("_", "%5F").replace("~", "%7E")
    if character == "%":
        return encoded
    return f"(?:{encoded}|{re.escape(character)}{'|[+]' if character == ' ' else ''})"


def _escaped(value: str) -> str:
    """As in JSON, in a `repr`, or behind the backslashes of a shell, also as a text within such a text.

    Backslashes are taken all at once and never given back: no text can be tried in many ways.
    """
    return "".join(
        rf"\\{{{2 * len(run)},}}+" if (run := found[1]) else _escaped_character(found[0])
        for found in re.finditer(r"(\\+)|.", value, re.DOTALL)
    )


def _escaped_character(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    units = character.encode("utf-16-be").hex()
    halves = [f"u{units[at : at + 4]}" for at in range(0, len(units), 4)]
    codes = [r"\\++".join(halves), f"U{ord(character):08x}"]
    codes += [f"x{ord(character):02x}"] if ord(character) < 256 else []
    codes += [_CONTROLS[character]] if character in _CONTROLS else []
    return rf"(?:\\++(?:{'|'.join(codes)})|\\*+{re.escape(character)})"


def _base64(value: str) -> Iterator[str]:
    """What a text is in base64 wherever it stands: without the ends, which depend on what is around it."""
    data = value.encode()
    for before in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            encoded = encode(bytes(before) + data).decode().rstrip("=")
            whole = (before + len(data)) * 8 // 6
            core = encoded[-(-before * 8 // 6) : whole]
            if len(core) >= SHORTEST:
                yield core


def _number(number: float) -> str:
    is_huge = isinstance(number, int) and number.bit_length() > 10_000
    return "" if is_huge else repr(number)
