"""The sandbox itself: Jinja with nothing but our own filters, tests and operations."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import jinja2
from jinja2 import TemplateSyntaxError, nodes, pass_context
from jinja2.ext import Extension
from jinja2.lexer import Lexer, Token, TokenStream
from jinja2.parser import Parser
from jinja2.runtime import Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from codegen.sandbox import calls, lookup, operations, shell
from codegen.sandbox.context import Evaluation, budgeted
from codegen.sandbox.errors import Refusal
from codegen.sandbox.filters import FILTERS, TESTS
from codegen.sandbox.limits import MAX_TEXT, Budget, kind
from codegen.sandbox.marked import Captured, Raw
from codegen.sandbox.rewriting import VALUE

MAX_BRACKETS = 20  # open at once; Jinja's parser takes fifteen Python frames for each

# The escapes that mean something in quotes. Every other backslash is a backslash, and so are those that
# people write in patterns: \b, and \1 for a group.
_ESCAPE = re.compile(r"\\(?:([\\'\"afnrtvxuUN\n]|0[0-7]{0,2})|.)", re.S)
_OPENING = frozenset({"lparen", "lbracket", "lbrace"})
_CLOSING = frozenset({"rparen", "rbracket", "rbrace"})


class Nesting(Extension):
    """Stops the parser before deep brackets exhaust the stack, wherever it is called from."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """The same tokens."""
        depth = 0
        for token in stream:
            depth += (token.type in _OPENING) - (token.type in _CLOSING)
            if depth > MAX_BRACKETS:
                raise TemplateSyntaxError(f"more than {MAX_BRACKETS} brackets are open at once", token.lineno)
            yield token


class Quotes(Lexer):
    """Jinja's lexer, for which `'\\d+'` is `\\d+`, as people write it in patterns."""

    def wrap(
        self,
        stream: Iterable[tuple[int, str, str]],
        name: str | None = None,
        filename: str | None = None,
    ) -> Iterator[Token]:
        """The tokens with their values."""
        return super().wrap(
            (
                (line, kind, _ESCAPE.sub(_kept, text) if kind == "string" else text)
                for line, kind, text in stream
            ),
            name,
            filename,
        )


def _kept(escape: re.Match[str]) -> str:
    return escape[0] if escape[1] else f"\\{escape[0]}"


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which is here the second fence: the first is that nothing else can be named."""

    intercepted_binops = frozenset(operations.OPERATORS)

    def __init__(self) -> None:
        super().__init__(
            undefined=lookup.Missing,
            keep_trailing_newline=True,
            optimized=False,
            extensions=[Nesting],
        )
        self.globals.clear()
        self.filters = {**FILTERS, **_INTERNAL}
        self.tests = dict(TESTS)

    @cached_property
    def lexer(self) -> Lexer:
        """The lexer."""
        return Quotes(self)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """`left operator right`."""
        return operations.binary(context.budget, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`obj.attribute`."""
        return lookup.find(obj, attribute, "the value")

    def getitem(self, obj: Any, argument: Any) -> Any:
        """`obj[argument]`."""
        return lookup.find(obj, argument, "the value")

    def expression(self, text: str) -> nodes.Expr:
        """The syntax tree of a bare expression."""
        parser = Parser(self, text, state="variable")
        tree = parser.parse_expression()
        if not parser.stream.eos:
            parser.fail(f"unexpected {parser.stream.current.value!r} after the expression")
        return tree


@pass_context
def _find(_: Evaluation, value: Any, key: Any, where: str) -> Any:
    return lookup.find(value, key, where)


@pass_context
def _literal(context: Evaluation, text: str) -> str:
    context.budget.spend(len(text))
    return Raw(text) if context.for_shell else text


@pass_context
def _captured(context: Evaluation, text: str) -> str:
    context.budget.grow(len(text))
    return Captured(text) if context.for_shell else text


def _each(budget: Budget, value: Any, cost: int) -> list[Any]:
    items = budget.items(value)
    budget.iterate(len(items))
    budget.spend(len(items) * cost)
    return items


def _slice(budget: Budget, value: Any, start: Any, stop: Any, step: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, str | list | tuple):
        raise Refusal(f"{kind(value)} can't be cut", "give a text or a list")
    part = value[start:stop:step]
    budget.spend(len(part))
    return part


def _weigh(budget: Budget, value: Any) -> Any:
    budget.weigh(value)
    return value


def _key(_: Budget, value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)
    if not isinstance(value, str | int | float | None):
        raise Refusal(f"{kind(value)} can't be a key", "use a text or a number")
    return value


_INTERNAL: dict[str, Callable[..., Any]] = {
    "_call": calls.call_function,
    "_captured": _captured,
    "_concat": budgeted(operations.concatenate),
    "_each": budgeted(_each),
    "_find": _find,
    "_key": budgeted(_key),
    "_literal": _literal,
    "_method": calls.call_method,
    "_shell": budgeted(shell.place),
    "_slice": budgeted(_slice),
    "_text": budgeted(Budget.text),
    "_weigh": budgeted(_weigh),
}

SANDBOX = Sandbox()


def run_text(program: jinja2.Template, scope: Mapping[str, Any], *, for_shell: bool = False) -> str:
    """What a template writes."""
    evaluation = Evaluation(SANDBOX, scope, for_shell=for_shell)
    pieces: list[str] = []
    length = 0
    for piece in program.root_render_func(evaluation):
        length += len(piece)
        if length > MAX_TEXT:
            evaluation.budget.grow(length)
        pieces.append(piece)
    return "".join(pieces)


def run_value(program: jinja2.Template, scope: Mapping[str, Any], *, is_reference: bool) -> Any:
    """The value of an expression; what it has put together is measured first, what it only names is not."""
    evaluation = Evaluation(SANDBOX, scope)
    for _ in program.root_render_func(evaluation):
        pass
    value = evaluation.vars[VALUE]
    if isinstance(value, Undefined):
        str(value)
    if not is_reference:
        evaluation.budget.weigh(value)
    if callable(value):
        raise Refusal("this is a function, not a value")
    return value
