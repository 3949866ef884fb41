"""Text to syntax tree, whatever the text is."""

from collections.abc import Callable
from typing import TypeVar

from jinja2 import TemplateSyntaxError, nodes
from jinja2.meta import TrackingCodeGenerator
from jinja2.parser import Parser

from codegen.sandbox.environment import SANDBOX
from codegen.sandbox.errors import ExpressionSyntaxError, SyntaxRefusal
from codegen.sandbox.grammar import Findings, check

MAX_SOURCE = 64 * 1024  # characters

TreeT = TypeVar("TreeT", bound=nodes.Node)
ResultT = TypeVar("ResultT")

# White space to Jinja, but no line ends, so that nothing but the character itself is changed.
_STAND_INS = "\x1c\x1d\x1e\x1f\x0b\x0c"


def read_template(text: str) -> tuple[nodes.Template, Findings]:
    """The checked syntax tree of a template."""
    return guarded(text, lambda: _read(text, lambda source: Parser(SANDBOX, source).parse()))


def read_expression(text: str) -> tuple[nodes.Expr, Findings]:
    """The checked syntax tree of a bare expression."""
    if not text.strip():
        raise ExpressionSyntaxError(text, "the expression is empty", None, "write a value or a comparison")
    if text.lstrip().startswith(("{{", "{%")):
        raise ExpressionSyntaxError(text, "this is a bare expression", 1, "leave out the {{ and }} around it")
    return guarded(text, lambda: _read(text, SANDBOX.expression))


def guarded(text: str, act: Callable[[], ResultT]) -> ResultT:
    """What `act` gives; ExpressionSyntaxError where it can't."""
    try:
        return act()
    except ExpressionSyntaxError:
        raise
    except SyntaxRefusal as error:
        raise ExpressionSyntaxError(text, error.problem, error.line, error.cure) from error
    except TemplateSyntaxError as error:
        raise ExpressionSyntaxError(
            text, _plain(error.message or "this can't be read"), error.lineno
        ) from error
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
    stand_in = next((each for each in _STAND_INS if each not in text), "") if "\r" in text else ""
    tree = parse(text.replace("\r", stand_in) if stand_in else text)
    tree.set_environment(SANDBOX)
    findings = check(tree)
    if stand_in:
        _bring_back(tree, stand_in)
    return tree, findings


def _bring_back(tree: nodes.Node, stand_in: str) -> None:
    """Carriage returns, which Jinja would turn into line feeds."""
    for node in tree.find_all((nodes.TemplateData, nodes.Const)):
        if isinstance(node, nodes.TemplateData):
            node.data = node.data.replace(stand_in, "\r")
        elif isinstance(node, nodes.Const) and isinstance(node.value, str):
            node.value = node.value.replace(stand_in, "\r")


def _plain(message: str) -> str:
    message = message.rstrip(".").replace("print statement", "{{ }}").replace("statement block", "{% %}")
    return message[:1].lower() + message[1:]
