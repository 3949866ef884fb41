"""Expressions and templates: read once, evaluated often, and never able to harm or hang who evaluates them.

The language is Jinja2 with its own filters (`codegen.sandbox.filters`), strict about undefined names. What a
text refers to is known before it is evaluated. Limits are counted, not timed (`codegen.sandbox.limits`): the
same text with the same values ends the same way everywhere.
"""

import re
from collections.abc import Collection, Mapping
from functools import cached_property, lru_cache
from typing import Any

import jinja2
from jinja2 import nodes

from codegen.sandbox.environment import SANDBOX, run_text, run_value
from codegen.sandbox.errors import (
    ExpressionError,
    ExpressionSyntaxError,
    ExpressionValueError,
    LimitExceeded,
)
from codegen.sandbox.explaining import explained
from codegen.sandbox.grammar import Findings, Reference
from codegen.sandbox.keeping import keeps
from codegen.sandbox.reading import free_names, guarded, read_expression, read_template
from codegen.sandbox.rewriting import Rewriter, is_reference
from codegen.sandbox.shell import ShellRewriter

__all__ = [
    "Expression",
    "ExpressionError",
    "ExpressionSyntaxError",
    "ExpressionValueError",
    "LimitExceeded",
    "Reference",
    "Template",
    "parse_expression",
    "parse_template",
    "render_nested",
]

LONG = 4096  # characters
MAX_NESTING = 100  # of data with templates in it

_MARKUP = re.compile(r"\{[{%]|(?<!\$)\{#")


class Expression:
    """A bare expression, such as `steps.usage.outputs.percent > params.threshold`.

    `names` are the names it needs, `references` what it names below them.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        tree, findings = read_expression(text)
        self.names = free_names(tree, findings)
        self.references = _references(findings, self.names)
        self.is_reference = is_reference(tree)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """Its value, with the names that `scope` has; ExpressionValueError if it has none."""
        return _valued(self.text, self._program, scope, self.is_reference)

    @cached_property
    def _program(self) -> jinja2.Template:
        tree, _ = read_expression(self.text)
        return _compiled(self.text, Rewriter().expression(tree))


class Template:
    """A text with `{{ }}` and `{% %}` in it.

    `names` and `references` as for expressions; `is_constant`: it has neither, and is its own rendering;
    `uses_raw`: somewhere it opts out of shell quoting; `keeps_secrets`: it hands them on as they are.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: frozenset[str] = frozenset()
        self.references: frozenset[Reference] = frozenset()
        self.uses_raw = False
        self.keeps_secrets = True
        self.is_constant = not _MARKUP.search(text)
        self._is_value = self._is_reference = False
        if not self.is_constant:
            self._look(*read_template(text))

    def __repr__(self) -> str:
        return f"Template({self.text!r})"

    def render(self, scope: Mapping[str, Any]) -> Any:
        """The text with its values filled in; of a text that is one `{{ expression }}` the value itself."""
        if self.is_constant:
            return self.text
        if self._is_value:
            return _valued(self.text, self._program, scope, self._is_reference)
        return _written(self.text, self._program, scope, for_shell=False)

    def render_shell(self, scope: Mapping[str, Any]) -> str:
        """A shell command: every value is quoted as its place asks, a list as one word for each item.

        ExpressionSyntaxError where no quoting would be safe, as between backticks.
        """
        return (
            self.text if self.is_constant else _written(self.text, self._shell_program, scope, for_shell=True)
        )

    def keeps_parameters(self, keys: Collection[str]) -> bool:
        """Whether it hands these parameters on as they are."""
        return self.is_constant or keeps(read_template(self.text)[0], "params", keys)

    def check_shell(self) -> None:
        """ExpressionSyntaxError if the text can't be rendered as a shell command."""
        if not self.is_constant:
            self._shell_tree()

    def _look(self, tree: nodes.Template, findings: Findings) -> None:
        self.names = guarded(self.text, lambda: free_names(tree, findings))
        self.references = _references(findings, self.names)
        self.uses_raw = findings.uses_raw
        self.keeps_secrets = "secrets" not in self.names or keeps(tree, "secrets")
        if single := _single(tree):
            self._is_value, self._is_reference = True, is_reference(single)

    @cached_property
    def _program(self) -> jinja2.Template:
        tree, _ = read_template(self.text)
        single = _single(tree)
        return _compiled(self.text, Rewriter().expression(single) if single else Rewriter().visit(tree))

    @cached_property
    def _shell_program(self) -> jinja2.Template:
        return _compiled(self.text, self._shell_tree())

    def _shell_tree(self) -> nodes.Template:
        tree, _ = read_template(self.text)
        rewritten: nodes.Template = guarded(self.text, lambda: ShellRewriter().visit(tree))
        return rewritten


@lru_cache(maxsize=2048)
def parse_expression(text: str) -> Expression:
    """The expression, read once however often it is asked for."""
    return Expression(text)


def parse_template(text: str) -> Template:
    """The template, read once however often it is asked for."""
    return _short_template(text) if len(text) <= LONG else _long_template(text)


# A long text takes up to a megabyte once it is compiled, so few of them are kept.
_short_template = lru_cache(maxsize=2048)(Template)
_long_template = lru_cache(maxsize=32)(Template)


def render_nested(value: Any, scope: Mapping[str, Any], _depth: int = 0) -> Any:
    """Data with every text in it rendered; keys stay as they are."""
    if isinstance(value, str):
        return parse_template(value).render(scope)
    if _depth > MAX_NESTING:
        raise ExpressionValueError(
            "...", f"data is nested more than {MAX_NESTING} levels deep", None, "flatten it"
        )
    if isinstance(value, Mapping):
        return {key: render_nested(item, scope, _depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render_nested(item, scope, _depth + 1) for item in value]
    return value


def _references(findings: Findings, names: frozenset[str]) -> frozenset[Reference]:
    return frozenset(Reference(path) for path in findings.chains if path[0] in names)


def _single(tree: nodes.Template) -> nodes.Expr | None:
    """The expression of a template that is one `{{ expression }}` and white space."""
    outputs = [node for node in tree.body if isinstance(node, nodes.Output)]
    parts = [
        part
        for output in outputs
        for part in output.nodes
        if not (isinstance(part, nodes.TemplateData) and part.data.isspace())
    ]
    is_single = len(outputs) == len(tree.body) and len(parts) == 1
    return None if not is_single or isinstance(parts[0], nodes.TemplateData) else parts[0]


def _compiled(text: str, tree: nodes.Template) -> jinja2.Template:
    return guarded(text, lambda: SANDBOX.from_string(tree))


def _valued(text: str, program: jinja2.Template, scope: Mapping[str, Any], is_reference: bool) -> Any:
    try:
        return run_value(program, scope, is_reference=is_reference)
    except Exception as error:
        raise explained(text, error, program) from error


def _written(text: str, program: jinja2.Template, scope: Mapping[str, Any], *, for_shell: bool) -> str:
    try:
        return run_text(program, scope, for_shell=for_shell)
    except Exception as error:
        raise explained(text, error, program) from error
