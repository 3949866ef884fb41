"""Regular expressions as small programs, for an engine that never goes back.

The syntax is Python's, without what needs going back: back-references, look-around, possessive and atomic
groups. A turn of a repeat that takes no character is not counted.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn

from codegen.sandbox.errors import LimitRefusal, Refusal

MAX_PATTERN = 1_000  # characters
MAX_PROGRAM = 2_000  # instructions, after counted repeats are written out
MAX_GROUPS = 20
MAX_NESTING = 20
CONDITIONS = frozenset({"^", "$", r"\A", r"\B", r"\Z", r"\b"})

_FLAGS = re.compile(r"\(\?([aims]+)\)")
_COUNT = re.compile(r"\{(\d{0,6})(?:(,)(\d{0,6}))?\}")
_GROUP = re.compile(r"(?:\?(?::|P<([A-Za-z_]\w*)>))?")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.S)
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|0[0-7]{0,2}|.)", re.S)
_FLAG_VALUES = {"a": re.ASCII, "i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}

Matcher = Callable[[str, int], object]


class Character(NamedTuple):
    """Go on past one character that the matcher accepts."""

    matches: Matcher
    source: str


class Condition(NamedTuple):
    """Go on if the matcher accepts this place, as `^` and `\\b` do."""

    matches: Matcher


class Save(NamedTuple):
    """Remember this place as a group's start or end."""

    slot: int


@dataclass(slots=True)
class Split:
    """Try `first`, and with less right `second`."""

    first: int = 0
    second: int = 0


@dataclass(slots=True)
class Jump:
    """Go on elsewhere."""

    target: int = 0


class Accept(NamedTuple):
    """The pattern has matched."""


Instruction = Character | Condition | Save | Split | Jump | Accept
Emit = Callable[[], None]


@dataclass(slots=True)
class Compiler:
    """Reads one pattern; each part becomes a function that writes its instructions, once per repetition."""

    pattern: str
    flags: re.RegexFlag
    at: int = 0
    nesting: int = 0
    groups: dict[str, int] = field(default_factory=dict)
    program: list[Instruction] = field(default_factory=list)

    def compile(self) -> list[Instruction]:
        """The program of the whole pattern."""
        if flags := _FLAGS.match(self.pattern):
            self.at = flags.end()
            for letter in flags[1]:
                self.flags |= _FLAG_VALUES[letter]
        body = self._alternatives()
        if self.at < len(self.pattern):
            self._fail("has a ) too many")
        self._group(0, body)()
        self._add(Accept())
        return self.program

    def _alternatives(self) -> Emit:
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else lambda: self._write_choice(options)

    def _sequence(self) -> Emit:
        parts: list[Emit] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            start = self.at
            atom = self._atom()
            parts.append(self._repeated(atom, self.pattern[start : self.at]))

        def emit() -> None:
            for part in parts:
                part()

        return emit

    def _atom(self) -> Emit:
        character = self.pattern[self.at]
        if character == "(":
            return self._parenthesis()
        if self._count() is not None:
            self._fail(f"has nothing to repeat before {character}")
        if character == "[":
            return self._character(self._class())
        if character == "\\":
            return self._escape(self._read(_ESCAPE, "ends with a backslash"))
        self.at += 1
        if character in CONDITIONS:
            return self._condition(character)
        return self._character("." if character == "." else re.escape(character))

    def _class(self) -> str:
        source = self._read(_CLASS, "has a [ without its ]")
        if "--" in source:
            self._fail(f"has {source}, where it isn't clear which dash is meant; write \\- for a dash")
        # Python warns of these characters in a class, lest they get a meaning one day.
        return "[" + re.sub(
            r"\\.|[\[&~|]", lambda m: m[0] if m[0][1:] else f"\\{m[0]}", source[1:], flags=re.S
        )

    def _escape(self, source: str) -> Emit:
        if source[1] in "123456789":
            self._fail(f"has a back-reference, {source}, which this language doesn't have")
        return self._condition(source) if source in CONDITIONS else self._character(source)

    def _parenthesis(self) -> Emit:
        self.at += 1
        opening = _GROUP.match(self.pattern, self.at)
        self.at = opening.end() if opening else self.at
        self.nesting += 1
        if self.pattern[self.at : self.at + 1] == "?" or self.nesting > MAX_NESTING:
            self._fail(
                "has look-around, flags in the middle, or deep groups, which this language doesn't have"
            )
        is_plain = opening is not None and opening[0] == "?:"
        number = None if is_plain or opening is None else self._new_group(opening[1])
        body = self._alternatives()
        if not self._take(")"):
            self._fail("has a ( without its )")
        self.nesting -= 1
        return body if number is None else self._group(number, body)

    def _new_group(self, name: str | None) -> int:
        number = len(self.groups) + 1
        if number > MAX_GROUPS or name in self.groups:
            self._fail(f"has more than {MAX_GROUPS} groups, or two of one name")
        self.groups[name or str(number)] = number
        return number

    def _repeated(self, part: Emit, source: str) -> Emit:
        count = self._count()
        if count is None:
            return part
        least, most = count
        if source in CONDITIONS:
            self._fail(f"has nothing to repeat in {source}")
        if most is not None and least > most:
            self._fail("has a repeat whose least is above its most")
        lazy = self._take("?")
        if self._count() is not None:
            self._fail("has a repeat of a repeat")
        return lambda: self._write_repeat(part, least, most, lazy)

    def _count(self) -> tuple[int, int | None] | None:
        """How often, at least and at most; none if no repeat is written here."""
        for sign, count in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return count
        found = _COUNT.match(self.pattern, self.at)
        if found is None or found[0] == "{}":
            return None
        self.at = found.end()
        least = int(found[1] or 0)
        return least, (least if not found[2] else int(found[3]) if found[3] else None)

    def _write_choice(self, options: list[Emit]) -> None:
        ends: list[Jump] = []
        for option in options[:-1]:
            self._add(split := Split(len(self.program) + 1))
            option()
            self._add(end := Jump())
            ends.append(end)
            split.second = len(self.program)
        options[-1]()
        for end in ends:
            end.target = len(self.program)

    def _write_repeat(self, part: Emit, least: int, most: int | None, lazy: bool) -> None:
        before = len(self.program)
        for _ in range(least):
            part()
            if len(self.program) == before:
                break
        splits: list[Split] = []
        for _ in range(1 if most is None else most - least):
            start = len(self.program)
            splits.append(Split(start + 1))
            self._add(splits[-1])
            part()
            if most is None:
                self._add(Jump(start))
        for split in splits:
            split.second = len(self.program)
            if lazy:
                split.first, split.second = split.second, split.first

    def _group(self, number: int, body: Emit) -> Emit:
        def emit() -> None:
            self._add(Save(2 * number))
            body()
            self._add(Save(2 * number + 1))

        return emit

    def _character(self, source: str) -> Emit:
        matches = self._matcher(source)
        return lambda: self._add(Character(matches, source))

    def _condition(self, source: str) -> Emit:
        matches = self._matcher(source)
        return lambda: self._add(Condition(matches))

    def _matcher(self, source: str) -> Matcher:
        try:
            return re.compile(source, self.flags).match
        except re.error as error:
            self._fail(f"has {source}, which is wrong: {error.msg}")

    def _add(self, instruction: Instruction) -> None:
        if len(self.program) >= MAX_PROGRAM:
            raise LimitRefusal(f'the pattern "{self.pattern[:80]}" is too large', "repeat less in it")
        self.program.append(instruction)

    def _take(self, character: str) -> bool:
        found = self.pattern.startswith(character, self.at)
        self.at += found
        return found

    def _read(self, part: re.Pattern[str], problem: str) -> str:
        found = part.match(self.pattern, self.at)
        if found is None:
            self._fail(problem)
        self.at = found.end()
        return found[0]

    def _fail(self, problem: str) -> NoReturn:
        raise Refusal(
            f'the pattern "{self.pattern[:80]}" {problem}', "see the reference for what patterns may hold"
        )
