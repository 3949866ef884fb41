"""What a shell is in the middle of at some place of a command."""

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal[
    "plain",  # words of a command
    "group",  # ( )
    "substitution",  # $( )
    "double",  # " "
    "single",  # ' '
    "ansi",  # $' '
    "backtick",
    "parameter",  # ${ }
    "arithmetic",  # (( )) and $(( ))
    "comment",
    "heredoc",
    "literal_heredoc",  # <<'END'
    "unclear",  # to the end
]
WORDS: frozenset[Kind] = frozenset({"plain", "group", "substitution"})

VALUE = "\0"
"""What a value counts as on a line of a here-document."""

EXPANSION = "\1"
"""What the shell itself fills in on such a line."""


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A here-document: the word that ends it, whether tabs may precede it, whether `$` means nothing."""

    word: str
    strips_tabs: bool
    is_literal: bool


@dataclass(frozen=True, slots=True)
class ShellState:
    """What a shell is in the middle of after some text."""

    nested: tuple[Kind, ...] = ("plain",)
    """The innermost comes last."""
    awaited: tuple[Heredoc, ...] = ()
    """Here-documents that begin with the next line."""
    open: tuple[Heredoc, ...] = ()
    """Here-documents among `nested`."""
    line: str = ""
    """What the line of a here-document begins with, from its last value on."""
    starts_word: bool | None = True
    """Whether the next character begins a word; none if that depends on a condition."""
    pending: str = ""
    """A `$`, a variable's name or a backslash at the end, which would take what follows for itself."""

    @property
    def kind(self) -> Kind:
        """What a value here lies in. Quotes within `${ }` and `(( ))` mean too many different things."""
        inner = self.nested[-1]
        for outer in reversed(self.nested[:-1]) if inner in ("double", "single") else ():
            if outer in WORDS:
                break
            if outer in ("parameter", "arithmetic"):
                return "parameter"
        return inner

    @property
    def could_end_document(self) -> bool:
        """Whether what the line of a here-document holds so far could grow into the word that ends it."""
        return bool(self.open) and is_begun(self.line, self.open[-1].word)

    def after_value(self) -> "ShellState":
        """The state after a quoted value."""
        return replace(self, starts_word=False, line=VALUE, pending="")

    def joined(self, other: "ShellState") -> "ShellState | None":
        """The state where two ways meet; none if they differ in more than how a word begins."""
        if replace(self, starts_word=None, line="") != replace(other, starts_word=None, line=""):
            return None
        starts_word = self.starts_word if self.starts_word == other.starts_word else None
        line = VALUE if self.could_end_document or other.could_end_document else EXPANSION
        return replace(self, starts_word=starts_word, line=self.line if self.line == other.line else line)


def is_begun(line: str, word: str) -> bool:
    """Whether a line could still become the word: a value on it may hold any part of the word."""
    return line[1:] in word if line.startswith(VALUE) else word.startswith(line)
