"""How much one evaluation may loop, build and work. Counted, never timed: it ends the same everywhere."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from jinja2.runtime import LoopContext, Undefined
from jinja2.utils import Namespace
from pydantic import BaseModel

from codegen.sandbox.errors import LimitRefusal, Refusal
from codegen.scalars import scalar_text

MAX_ITERATIONS = 100_000
MAX_TEXT = 1024 * 1024  # characters of one text that an operation builds, and of the whole output
MAX_ITEMS = 100_000  # items of one list that an operation builds
MAX_BITS = 14_000  # of a whole number; Python writes at most 4,300 digits
MAX_WORK = 16 * 1024 * 1024  # characters read or written
CELL = 16  # characters that looking at a value inside a list counts as
QUICK = 16  # characters that are looked for as fast as one
POINTER = 4  # characters that copying an item of a list counts as

_SCALARS = frozenset({int, float, bool, type(None)})


class Budget:
    """What is left for one evaluation. Everything that loops, builds or reads asks here first."""

    __slots__ = ("iterations", "work")

    def __init__(self) -> None:
        self.iterations = MAX_ITERATIONS
        self.work = MAX_WORK

    def spend(self, characters: int) -> None:
        """Pay for reading or writing so many characters."""
        self.work -= characters
        if self.work < 0:
            raise LimitRefusal("this is too much work for one expression", "handle less data at once")

    def search(self, text: str, *wanted: Any) -> None:
        """Pay for looking for texts in a text. Python looks for long ones again and again: from the right,
        and for the characters to strip."""
        longest = max((len(part) for part in wanted if isinstance(part, str)), default=0)
        self.spend(len(text) * (1 + longest // QUICK))

    def iterate(self, steps: int) -> None:
        """Pay for loop steps."""
        self.iterations -= steps
        if self.iterations < 0:
            raise LimitRefusal(f"this takes more than {MAX_ITERATIONS:,} loop steps", "loop over less")

    def grow(self, characters: int) -> None:
        """Ask for room for a text before it is built."""
        if characters > MAX_TEXT:
            raise LimitRefusal(
                f"this builds a text of more than {MAX_TEXT:,} characters", "build a shorter one"
            )
        self.spend(characters)

    def collect(self, items: int) -> None:
        """Ask for room for a list before it is built."""
        if items > MAX_ITEMS:
            raise LimitRefusal(f"this builds a list of more than {MAX_ITEMS:,} items", "build a shorter one")
        self.spend(items * POINTER)

    def weigh(self, value: Any) -> None:
        """Pay for looking at the whole of a value, everything inside included."""
        if type(value) not in _SCALARS:
            self.spend(weight(value, self.work))

    def text(self, value: Any) -> str:
        """The value as text."""
        if isinstance(value, str):
            self.spend(len(value))
            return str(value)
        self.weigh(value)
        if callable(value) and not isinstance(value, Undefined):
            raise Refusal("this is a function, not a value")
        written = scalar_text(value)
        self.grow(len(written))
        return written

    def items(self, value: Any) -> list[Any]:
        """The items of a list, the keys of a mapping, the characters of a text."""
        if isinstance(value, Iterable):
            if isinstance(value, Mapping | list | tuple | str | set | frozenset):
                self.collect(len(value))
            return list(value)
        if isinstance(value, Undefined):
            return list(value)
        raise Refusal(f"{kind(value)} has no items to go through", "give a list")


def weight(value: Any, limit: int) -> int:
    """The size of a value with everything inside, shared parts counted each time; stops past `limit`.

    Ten nested lists of the same ten lists are small in memory and endless on paper.
    """
    total = CELL
    todo = [value]
    while todo and total <= limit:
        part = todo.pop()
        if type(part) in _SCALARS:
            continue
        if isinstance(part, str | bytes):
            total += len(part)
        elif isinstance(part, Mapping):
            total += 2 * CELL * len(part)
            todo.extend(part.keys())
            todo.extend(part.values())
        elif isinstance(part, list | tuple | set | frozenset):
            total += CELL * len(part)
            todo.extend(part)
        elif isinstance(part, BaseModel):
            todo.append(vars(part))
        elif is_dataclass(part):
            todo += [getattr(part, field.name) for field in fields(part)]
        elif isinstance(part, Namespace | LoopContext):
            raise Refusal("a namespace or loop is not a value", "name one of its attributes")
        elif isinstance(part, Undefined):
            str(part)
    return total


def kind(value: Any) -> str:
    """How messages call the type of a value."""
    return "none" if value is None else type(value).__name__
