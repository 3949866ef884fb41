"""Templates of shell commands: a shell takes every value for a text, never for a command."""

import re
import shlex
from dataclasses import replace
from typing import Any

from jinja2 import nodes

from codegen.sandbox.errors import Refusal, SyntaxRefusal
from codegen.sandbox.limits import Budget
from codegen.sandbox.marked import Captured, Quoted, Raw
from codegen.sandbox.rewriting import Rewriter, call, describe
from codegen.sandbox.shell_state import WORDS, Kind, ShellState
from codegen.sandbox.shell_text import COMPLETES, OTHER_WORD, read

VARIABLE = 'put it into a variable on a line before, NAME={{ ... }}, and write "$NAME" here'

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_REFUSED: dict[Kind, str] = {
    "ansi": "between $' and '",
    "backtick": "between backticks",
    "parameter": "between ${ and }, or in quotes within (( ))",
    "unclear": "here, where the quoting can't be told from the text before",
}


class ShellRewriter(Rewriter):
    """Rewrites a checked tree so that each value is quoted as its place asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ShellState()

    def written(self, node: nodes.Expr) -> nodes.Expr:
        """A part of the output."""
        if isinstance(node, nodes.TemplateData):
            self.state = read(self.state, node.data)
        return super().written(node)

    def shown(self, node: nodes.Expr) -> nodes.Expr:
        """A value in the output, quoted for its place."""
        state = self.state
        is_raw = isinstance(node, nodes.Filter) and node.name == "raw"
        if not is_raw:
            _check_place(state, node.lineno)
        self.state = state.after_value()
        word = state.open[-1].word if state.open else ""
        return call("shell", self.visit(node), state.kind, word, bool(state.pending), describe(node)[:200])

    def visit_If(self, node: nodes.If) -> nodes.If:  # noqa: N802
        """Whichever branch is taken, the text after it must lie in the same quotes."""
        before = self.state
        branches = [node, *node.elif_]
        ends: list[ShellState] = []
        for branch in branches:
            branch.test = self.visit(branch.test)
            ends.append(self._block(branch.body, before))
        ends.append(self._block(node.else_, before))
        self.state = ends[0]
        for end in ends[1:]:
            self._meet(end, node.lineno)
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.AssignBlock:  # noqa: N802
        """A captured text is a piece of a command by itself."""
        outer, self.state = self.state, ShellState()
        super().visit_AssignBlock(node)
        if self.state.nested != ("plain",) or self.state.awaited or self.state.pending:
            raise SyntaxRefusal(
                "a set block of a command ends within quotes", "close them in it", node.lineno
            )
        self.state = outer
        return node

    def loop_body(self, node: nodes.For) -> None:
        """The body, then the else branch."""
        before = self.state
        begin = before if before.starts_word else replace(before, starts_word=None)
        first = _first_character(node.body)
        end = self.state = self._block(node.body, begin)
        goes_on = end.line not in ("", before.line) and end.could_end_document
        if goes_on and first in end.open[-1].word:
            raise SyntaxRefusal(COMPLETES, OTHER_WORD, node.lineno)
        self._meet(before, node.lineno)
        after = self.state
        self.state = self._block(node.else_, before)
        self._meet(after, node.lineno)

    def _block(self, body: list[nodes.Node], state: ShellState) -> ShellState:
        self.state = state
        body[:] = [self.visit(child) for child in body]
        return self.state

    def _meet(self, other: ShellState, line: int) -> None:
        joined = self.state.joined(other)
        if joined is None:
            raise SyntaxRefusal(
                "quotes are opened or closed within {% if %} or {% for %} and not on its other side",
                "open and close them on the same side",
                line,
            )
        self.state = joined


def _first_character(body: list[nodes.Node]) -> str:
    """What a body begins with; nothing if that is a value."""
    first = body[0] if body else None
    if isinstance(first, nodes.Output):
        first = first.nodes[0]
    return first.data[:1] if isinstance(first, nodes.TemplateData) else ""


def _check_place(state: ShellState, line: int) -> None:
    if state.kind in _REFUSED:
        raise SyntaxRefusal(f"a value can't be put {_REFUSED[state.kind]}", VARIABLE, line)
    if state.kind in ("heredoc", "literal_heredoc") and state.line and state.could_end_document:
        raise SyntaxRefusal(COMPLETES, OTHER_WORD, line)
    if state.pending == "\\" and state.kind not in ("single", "comment", "literal_heredoc"):
        raise SyntaxRefusal("a value can't follow a backslash", "leave the backslash out", line)
    if state.pending.startswith("$") and state.kind not in ("double", "comment"):
        cure = "leave the $ out" if state.pending == "$" else f"write ${{{state.pending[1:]}}}"
        raise SyntaxRefusal(f"a value can't follow {state.pending:.40}", cure, line)


def place(budget: Budget, value: Any, kind: Kind, word: str, is_pending: bool, where: str) -> str:
    """The value, written so that it stays one text where it is put; a list becomes one word for each item."""
    if isinstance(value, Captured) and kind not in WORDS:
        raise Refusal(f"{where} is a piece of a command and can't be put between quotes", VARIABLE)
    if isinstance(value, Captured):
        return _without_end(budget.text(value), word, where)
    if isinstance(value, Raw):
        return budget.text(value)
    if isinstance(value, Quoted):
        value = value.value
    items = list(value) if isinstance(value, list | tuple) else [value]
    if any(item is None for item in items):
        raise Refusal(f"{where} is none, which has no place in a command", "add | default('', true)")
    if kind in WORDS:
        written = " ".join(
            budget.text(item) if isinstance(item, Raw) else _word(budget, item) for item in items
        )
        return _without_end(written, word, where)
    text = _without_end(" ".join(budget.text(item) for item in items), word, where)
    return _within(budget, text, kind, is_pending, where)


def _without_end(text: str, word: str, where: str) -> str:
    """The text, refused if it holds the word that ends the here-document around it.

    Some shells look for the word before they look for the $( ) or the quotes that the text is in.
    """
    if word and word in text:
        raise Refusal(f'{where} holds "{word:.40}", which ends the here-document', "choose another word")
    return text


def _word(budget: Budget, value: Any) -> str:
    quoted = shlex.quote(_checked(budget.text(value)))
    budget.grow(len(quoted))
    return quoted


def _within(budget: Budget, text: str, kind: Kind, is_pending: bool, where: str) -> str:
    if kind in ("heredoc", "literal_heredoc"):
        return _checked(text if kind == "literal_heredoc" else re.sub(r"[\\$`]", r"\\\g<0>", text))
    if kind == "arithmetic":
        if not _NUMBER.fullmatch(text):
            raise Refusal(
                f"{where} is no number, and only numbers can be calculated with", "convert it with | int"
            )
        return text
    if kind == "comment" and ("\n" in text or "\r" in text):
        raise Refusal(
            f"{where} has several lines, and a comment ends with its line", "take it out of the comment"
        )
    quoted = _word(budget, text)
    if kind == "comment" or (quoted == text and not is_pending):
        return quoted
    mark = '"' if kind == "double" else "'"
    return f"{mark}{quoted}{mark}"


def _checked(text: str) -> str:
    if "\0" in text:
        raise Refusal("a value holds a NUL character, which no command can take", "take it out of the value")
    return text
