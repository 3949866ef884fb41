"""Builds a document's data out of what a parser reads, counting as it goes: a bomb is stopped while small."""

from dataclasses import dataclass, field
from typing import Any

from codegen.errors import DocumentError, Problem
from codegen.limits import MOST_BYTES, MOST_DEPTH, MOST_NODES, TOO_DEEP, TOO_LONG, TOO_MANY
from codegen.paths import Path, written
from codegen.reading.marks import START, Marks, Place

MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Size:
    """How much a value adds to a document, aliases expanded."""

    nodes: int = 1
    characters: int = 0
    height: int = 0


@dataclass(slots=True)
class _Frame:
    """A container that is still open, and the entry that comes next."""

    container: Any
    anchor: str | None
    place: Place
    key: str | None = None
    key_place: Place = START
    merged: list[dict[str, Any]] = field(default_factory=list)
    nodes: int = 1
    characters: int = 0
    height: int = 0


class Builder:
    """Takes a document piece by piece: `open`, `scalar`, `alias`, `close`. `marks.root` is the result.

    Problems that leave the rest readable are collected; DocumentError ends the reading at once.
    """

    def __init__(self, file: str) -> None:
        self.marks = Marks()
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, Size]] = {}
        self._nodes = self._characters = 0

    def open(self, container: dict[str, Any] | list[Any], place: Place, anchor: str | None = None) -> None:
        """A mapping or list begins."""
        if self._awaits_key():
            raise self.fatal(
                place, "a mapping or a list can't be a key", 'a text that begins with "{" or "[" needs quotes'
            )
        if len(self._open) >= MOST_DEPTH:
            raise self.refused(TOO_DEEP, place)
        self._count(Size(), place)
        if not self._open:
            self.marks.root, self.marks.start = container, place
        self.marks.open(container)
        self._open.append(_Frame(container, anchor, place))

    def close(self) -> None:
        """The innermost mapping or list ends."""
        frame = self._open.pop()
        for source in frame.merged:
            self._merge(frame, source)
        size = Size(frame.nodes, frame.characters, frame.height + 1)
        self._add(frame.container, frame.place, size, frame.anchor)

    def scalar(self, value: Any, text: str, place: Place, anchor: str | None = None) -> None:
        """A single value; where a key is due, its text is the key."""
        size = Size(characters=len(text))
        self._count(size, place)
        if not self._awaits_key():
            self._add(value, place, size, anchor)
            return
        frame = self._open[-1]
        frame.key, frame.key_place = text, place
        frame.nodes += 1
        frame.characters += len(text)
        if anchor:
            self._anchors[anchor] = (text, size)
        if text in frame.container:
            first = self.marks.key(frame.container, text).line
            message = f'the key "{text:.80}" is written twice'
            self.report(place, message, f"keep one; the first is in line {first}")

    def alias(self, name: str, place: Place) -> None:
        """What an anchor named, once more."""
        if name not in self._anchors:
            if any(frame.anchor == name for frame in self._open):
                raise self.fatal(place, f"*{name:.80} stands inside what it repeats", "take it out")
            message = f"*{name:.80} repeats an anchor that doesn't exist"
            raise self.fatal(place, message, f"write &{name:.80} before the value to repeat")
        value, size = self._anchors[name]
        if len(self._open) + size.height > MOST_DEPTH:
            raise self.refused(TOO_DEEP, place)
        if self._awaits_key():
            if not isinstance(value, str):
                raise self.fatal(place, "a key must be a text", "write the key out")
            self.scalar(value, value, place)
            return
        self._count(size, place)
        self._add(value, place, size, None)

    def report(self, place: Place, message: str, cure: str) -> None:
        """A problem at the entry that is being read."""
        self.problems.append(Problem(written(self.path()), message, cure).at(self._file, *place))

    def fatal(self, place: Place, message: str, cure: str = "") -> DocumentError:
        """The error of a document that can't be read on, with what was found before."""
        self.report(place, message, cure)
        return DocumentError(self.problems)

    def refused(self, problem: Problem, place: Place) -> DocumentError:
        """The error of a document beyond a limit."""
        return DocumentError([*self.problems, problem.at(self._file, *place)])

    def path(self) -> Path:
        """The path of the entry that is being read."""
        keys = (
            len(frame.container) if isinstance(frame.container, list) else frame.key for frame in self._open
        )
        return tuple(key for key in keys if key is not None)

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].container, dict) and self._open[-1].key is None

    def _add(self, value: Any, place: Place, size: Size, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = (value, size)
        if not self._open:
            self.marks.root, self.marks.start = value, place
            return
        frame = self._open[-1]
        frame.nodes += size.nodes
        frame.characters += size.characters
        frame.height = max(frame.height, size.height)
        if isinstance(frame.container, list):
            self.marks.note(frame.container, len(frame.container), place, place)
            frame.container.append(value)
            return
        key, frame.key = frame.key or "", None
        if key == MERGE and self._is_mergeable(value):
            frame.merged += value if isinstance(value, list) else [value]
        elif key not in frame.container:
            frame.container[key] = value
            self.marks.note(frame.container, key, frame.key_place, place)

    def _count(self, size: Size, place: Place) -> None:
        self._nodes += size.nodes
        self._characters += size.characters
        if self._nodes > MOST_NODES:
            raise self.refused(TOO_MANY, place)
        if self._characters > MOST_BYTES:
            raise self.refused(TOO_LONG, place)

    def _is_mergeable(self, value: Any) -> bool:
        return isinstance(value, dict) or (
            isinstance(value, list) and all(isinstance(item, dict) for item in value)
        )

    def _merge(self, frame: _Frame, source: dict[str, Any]) -> None:
        for key in source:
            if key not in frame.container:
                frame.container[key] = source[key]
                self.marks.copy(source, frame.container, key)
