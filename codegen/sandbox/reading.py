"""Text to syntax tree, whatever the text is."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from jinja2 import TemplateSyntaxError, nodes
from jinja2.meta import TrackingCodeGenerator
from jinja2.parser import Parser

from codegen.sandbox.environment import SANDBOX
from codegen.sandbox.errors import ExpressionSyntaxError, SyntaxRefusal, excerpt
from codegen.sandbox.grammar import Findings, check

MAX_SOURCE = 64 * 1024  # characters

TreeT = TypeVar("TreeT", bound=nodes.Node)
ResultT = TypeVar("ResultT")

# Jinja turns carriage returns into line feeds, and takes the `{#` of a shell's `${#name}` for a comment.
# Characters that are white space to it, but no line ends, stand in for them until the tree is there.
_STAND_INS = "\x1c\x1d\x1e\x1f\x0b\x0c"
_RAW = "braces that are meant as they are go between {% raw %} and {% endraw %}"


def read_template(text: str) -> tuple[nodes.Template, Findings]:
    """The checked syntax tree of a template."""
    return guarded(text, lambda: _read(text, lambda source: Parser(SANDBOX, source).parse()))


def read_expression(text: str) -> tuple[nodes.Expr, Findings]:
    """The checked syntax tree of a bare expression."""
    if not text.strip():
        raise ExpressionSyntaxError(text, "the expression is empty", None, "write a value or a comparison")
    if text.lstrip().startswith(("{{", "{%")):
        raise ExpressionSyntaxError(text, "this is a bare expression", 1, "leave out the {{ and }} around it")
    try:
        return guarded(text, lambda: _read(text, SANDBOX.expression))
    except ExpressionSyntaxError as error:
        raise _as_an_expression(error) from error.__cause__


def guarded(text: str, act: Callable[[], ResultT]) -> ResultT:
    """What `act` gives; ExpressionSyntaxError where it can't."""
    try:
        return act()
    except ExpressionSyntaxError:
        raise
    except SyntaxRefusal as error:
        raise ExpressionSyntaxError(text, error.problem, error.line, error.cure) from error
    except TemplateSyntaxError as error:
        cure = _RAW if "{{" in text or "{%" in text else ""
        raise ExpressionSyntaxError(text, _plain(error.message or ""), error.lineno, cure) from error
    except RecursionError as error:
        raise ExpressionSyntaxError(text, "this is nested too deep", None, "split it up") from error
    except Exception as error:
        raise ExpressionSyntaxError(
            text, "this can't be read", None, "look for misplaced characters"
        ) from error


def free_names(tree: nodes.Template | nodes.Expr, findings: Findings) -> frozenset[str]:
    """The names that the scope has to have."""
    named = {path[0] for path in findings.chains}
    if not findings.has_statements or not isinstance(tree, nodes.Template):
        return frozenset(named)
    tracker = TrackingCodeGenerator(SANDBOX)
    # Folding constants would run the text's own operations while it is only looked at.
    tracker.optimizer = None
    tracker.visit(tree)
    return frozenset(named & tracker.undeclared_identifiers)


def _read(text: str, parse: Callable[[str], TreeT]) -> tuple[TreeT, Findings]:
    if len(text) > MAX_SOURCE:
        raise SyntaxRefusal(f"the text has more than {MAX_SOURCE:,} characters", "keep long texts in a file")
    stand_ins = list(_stand_ins(text))
    source = text
    for original, stand_in in stand_ins:
        source = source.replace(original, stand_in)
    tree = parse(source)
    tree.set_environment(SANDBOX)
    findings = check(tree)
    for original, stand_in in stand_ins:
        _bring_back(tree, original, stand_in)
    return tree, findings


def _stand_ins(text: str) -> Iterator[tuple[str, str]]:
    free = (character for character in _STAND_INS if character not in text)
    for original, kept in (("\r", ""), ("${#", "${")):
        if original in text and (character := next(free, "")):
            yield original, kept + character


def _bring_back(tree: nodes.Node, original: str, stand_in: str) -> None:
    for node in (tree, *tree.find_all((nodes.TemplateData, nodes.Const))):
        if isinstance(node, nodes.TemplateData):
            node.data = node.data.replace(stand_in, original)
        elif isinstance(node, nodes.Const) and isinstance(node.value, str):
            node.value = node.value.replace(stand_in, original)


def _as_an_expression(error: ExpressionSyntaxError) -> ExpressionSyntaxError:
    """The error with words for an end that comes too early, and with a cure."""
    problem, cure = error.problem, error.cure
    if "end of template" in problem:
        problem, cure = "the expression ends too early", cure or f'complete "{excerpt(error.text)}"'
    elif problem.endswith("after the expression"):
        cure = cure or "join the parts by ==, and, or, ~; put texts in quotes"
    return ExpressionSyntaxError(error.text, problem, error.line, cure)


def _plain(message: str) -> str:
    message = message.rstrip(".").replace("print statement", "{{ }}").replace("statement block", "{% %}")
    return message[:1].lower() + message[1:]
