"""Regular expressions in time that grows with the text, not with its square or worse.

All ways through the pattern are followed at once, one character after the other (K. Thompson, 1968; groups
and priorities as in R. Cox, "Regular Expression Matching: the Virtual Machine Approach", 2009). Python's own
engine goes back and tries again: `(a+)+$` on thirty letters can keep it busy for hours.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from codegen.sandbox.errors import LimitRefusal, Refusal
from codegen.sandbox.limits import Budget
from codegen.sandbox.pattern_syntax import (
    MAX_PATTERN,
    Accept,
    Character,
    Compiler,
    Condition,
    Instruction,
    Jump,
    Save,
    Split,
)

MAX_SEARCHED = 100_000  # characters
STEP = 8  # what one instruction costs, counted in characters

Slots = tuple[int, ...]

_REFERENCE = re.compile(r"\\(?:(\d{1,2})|g<(\w+)>|(.))", re.S)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Found:
    """Where a pattern matched, and its groups."""

    text: str
    slots: Slots
    groups: dict[str, int]

    @property
    def span(self) -> tuple[int, int]:
        """Start and end of the whole match."""
        return self.slots[0], self.slots[1]

    def group(self, name: int | str = 0) -> str | None:
        """What a group matched; none if it took no part."""
        number = self.groups.get(str(name), name)
        if not isinstance(number, int) or not 0 <= number < len(self.slots) // 2:
            raise Refusal(
                f'the pattern has no group "{name}"', "count its ( from 1, or name it with (?P<name>...)"
            )
        start, end = self.slots[2 * number], self.slots[2 * number + 1]
        return None if start < 0 or end < 0 else self.text[start:end]

    def expand(self, budget: Budget, template: str) -> str:
        """The template with `\\1` and `\\g<name>` replaced by groups."""

        def referred(reference: re.Match[str]) -> str:
            number, name, escape = reference.groups()
            if escape is not None:
                return _ESCAPES.get(escape, reference[0])
            wanted: str = number or name
            group = self.group(int(wanted) if wanted.isdecimal() else wanted) or ""
            budget.spend(len(group))
            return group

        budget.spend(len(template))
        return _REFERENCE.sub(referred, template)


@dataclass(slots=True)
class Frontier:
    """Where all ways through the program stand at one place of the text, the preferred way first."""

    threads: list[tuple[int, Slots]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def follow(self, program: tuple[Instruction, ...], text: str, at: int, pc: int, slots: Slots) -> None:
        """Go on from an instruction to the next ones that read a character or accept."""
        todo = [(pc, slots)]
        while todo:
            pc, slots = todo.pop()
            if pc in self.seen:
                continue
            self.seen.add(pc)
            step = program[pc]
            if isinstance(step, Split):
                todo += (step.second, slots), (step.first, slots)
            elif isinstance(step, Jump):
                todo.append((step.target, slots))
            elif isinstance(step, Save):
                todo.append((pc + 1, (*slots[: step.slot], at, *slots[step.slot + 1 :])))
            elif not isinstance(step, Condition):
                self.threads.append((pc, slots))
            elif step.matches(text, at):
                todo.append((pc + 1, slots))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern."""

    program: tuple[Instruction, ...]
    groups: dict[str, int]
    first: re.Pattern[str] | None
    """Finds the next character that a match can start with; none if a match may be empty."""

    def search(self, budget: Budget, text: str) -> Found | None:
        """The first match anywhere in the text."""
        return self._run(budget, _checked(text), 0)

    def match(self, budget: Budget, text: str) -> Found | None:
        """A match at the start of the text."""
        return self._run(budget, _checked(text), 0, anchored=True)

    def find_all(self, budget: Budget, text: str) -> Iterator[Found]:
        """All matches that don't overlap, from left to right."""
        _checked(text)
        at, advance = 0, False
        while found := self._run(budget, text, at, advance=advance):
            yield found
            at = found.span[1]
            advance = at == found.span[0]

    def _run(
        self, budget: Budget, text: str, start: int, *, anchored: bool = False, advance: bool = False
    ) -> Found | None:
        best: Slots | None = None
        unset: Slots = (-1,) * (2 * len(self.groups) + 2)
        here, at = Frontier(), start
        while at <= len(text):
            if best is None and (at == start or not anchored):
                if not here.threads and not anchored:
                    at = self._skipped(budget, text, at)
                    here = Frontier()
                here.follow(self.program, text, at, 0, unset)
            budget.spend(len(here.seen) * STEP)
            if not here.threads and (best is not None or anchored):
                break
            here, accepted = self._advanced(here, text, at, refuse_empty=advance and at == start)
            best = accepted or best
            at += 1
        return None if best is None else Found(text, best, self.groups)

    def _advanced(
        self, here: Frontier, text: str, at: int, *, refuse_empty: bool
    ) -> tuple[Frontier, Slots | None]:
        """One character further; the slots of a way that has accepted, which ends all ways after it."""
        ahead = Frontier()
        for pc, slots in here.threads:
            step = self.program[pc]
            if isinstance(step, Character):
                if at < len(text) and step.matches(text, at):
                    ahead.follow(self.program, text, at + 1, pc + 1, slots)
            elif not refuse_empty:
                return ahead, slots
        return ahead, None

    def _skipped(self, budget: Budget, text: str, at: int) -> int:
        if self.first is None:
            return at
        found = self.first.search(text, at)
        reached = found.start() if found else len(text)
        budget.spend(reached - at)
        return reached


@lru_cache(maxsize=256)
def compile_pattern(pattern: str, ignorecase: bool = False, multiline: bool = False) -> Pattern:
    """The pattern as a program; `Refusal` says what is wrong with it."""
    if len(pattern) > MAX_PATTERN:
        raise LimitRefusal(f"a pattern has more than {MAX_PATTERN:,} characters", "use a shorter one")
    flags = (re.IGNORECASE if ignorecase else re.NOFLAG) | (re.MULTILINE if multiline else re.NOFLAG)
    compiler = Compiler(pattern, flags)
    program = tuple(compiler.compile())
    return Pattern(program, compiler.groups, _first(program, compiler.flags))


def _first(program: tuple[Instruction, ...], flags: re.RegexFlag) -> re.Pattern[str] | None:
    sources: list[str] = []
    seen: set[int] = set()
    todo = [0]
    while todo:
        pc = todo.pop()
        step = program[pc]
        if pc in seen:
            continue
        seen.add(pc)
        if isinstance(step, Accept):
            return None
        if isinstance(step, Character):
            sources.append(step.source)
        elif isinstance(step, Split):
            todo += step.first, step.second
        else:
            todo.append(step.target if isinstance(step, Jump) else pc + 1)
    return re.compile("|".join(dict.fromkeys(sources)), flags)


def _checked(text: str) -> str:
    if len(text) > MAX_SEARCHED:
        raise LimitRefusal(
            f"patterns search texts of at most {MAX_SEARCHED:,} characters", "take a part of the text first"
        )
    return text
