"""Which of Jinja's constructs the language has, and what a text refers to."""

from collections.abc import Collection
from dataclasses import dataclass

from jinja2 import nodes

from codegen.sandbox.calls import FUNCTIONS, METHODS
from codegen.sandbox.errors import SyntaxRefusal
from codegen.sandbox.filters import FILTERS, TESTS
from codegen.sandbox.limits import MAX_BITS
from codegen.suggestions import Suggestions

MAX_DEPTH = 50  # of the syntax tree; Python's own parser gives up at 200 nested parentheses
MAX_LOOPS = 8  # nested in each other
MAX_NODES = 10_000

_ALLOWED = (
    nodes.Add,
    nodes.And,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.Call,
    nodes.Compare,
    nodes.Concat,
    nodes.CondExpr,
    nodes.Const,
    nodes.Dict,
    nodes.Div,
    nodes.Filter,
    nodes.FloorDiv,
    nodes.For,
    nodes.Getattr,
    nodes.Getitem,
    nodes.If,
    nodes.Keyword,
    nodes.List,
    nodes.Mod,
    nodes.Mul,
    nodes.NSRef,
    nodes.Name,
    nodes.Neg,
    nodes.Not,
    nodes.Operand,
    nodes.Or,
    nodes.Output,
    nodes.Pair,
    nodes.Pos,
    nodes.Pow,
    nodes.Slice,
    nodes.Sub,
    nodes.Template,
    nodes.TemplateData,
    nodes.Test,
    nodes.Tuple,
    nodes.With,
)
_TAGS: dict[type[nodes.Node], str] = {
    nodes.Block: "block",
    nodes.CallBlock: "call",
    nodes.Extends: "extends",
    nodes.FilterBlock: "filter",
    nodes.FromImport: "from",
    nodes.Import: "import",
    nodes.Include: "include",
    nodes.Macro: "macro",
    nodes.Scope: "autoescape",
}
_RESERVED = frozenset({"self", "super", "caller", "varargs", "kwargs"})


@dataclass(frozen=True, slots=True)
class Reference:
    """What a text refers to, as far as it is written out: `("steps", "usage", "outputs")`."""

    path: tuple[str, ...]


@dataclass(slots=True)
class Findings:
    """What a check of a syntax tree found out."""

    chains: set[tuple[str, ...]]
    uses_raw: bool = False
    has_statements: bool = False


def check(tree: nodes.Node) -> Findings:
    """What the tree refers to; SyntaxRefusal for the first construct that the language doesn't have."""
    findings = Findings(set())
    count = 0
    todo: list[tuple[nodes.Node, int, int]] = [(tree, 1, 0)]
    links: set[int] = set()
    while todo:
        node, depth, loops = todo.pop()
        count += 1
        _check_size(node, depth, loops, count)
        _check_node(node)
        _note(node, findings, links)
        callee = node.node if isinstance(node, nodes.Call) else None
        children = node.iter_child_nodes(exclude=("node",) if callee else None)
        todo.extend((child, depth + 1, loops + isinstance(node, nodes.For)) for child in children)
        if isinstance(callee, nodes.Getattr):
            todo.append((callee.node, depth + 1, loops))
    return findings


def _note(node: nodes.Node, findings: Findings, links: set[int]) -> None:
    """Remember what a node tells. A chain of attributes is one reference, its inner `links` are none."""
    if isinstance(node, nodes.Filter) and node.name == "raw":
        findings.uses_raw = True
    if isinstance(node, nodes.Stmt) and not isinstance(node, nodes.Output):
        findings.has_statements = True
    if isinstance(node, nodes.Getattr | nodes.Getitem | nodes.Name) and id(node) not in links:
        path, root = chain(node)
        if isinstance(root, nodes.Name) and root.ctx == "load":
            findings.chains.add((root.name, *path))
    if isinstance(node, nodes.Getattr | nodes.Getitem):
        links.add(id(node.node))


def chain(node: nodes.Node) -> tuple[list[str], nodes.Node]:
    """The literal part of `a.b["c"].d` that ends in this node, and the node it starts from."""
    path: list[str] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getattr):
            path.append(node.attr)
        elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            path.append(node.arg.value)
        else:
            path.clear()
        node = node.node
    return path[::-1], node


def _check_size(node: nodes.Node, depth: int, loops: int, count: int) -> None:
    if depth > MAX_DEPTH or loops > MAX_LOOPS:
        raise SyntaxRefusal("this is nested too deep", "split it up", node.lineno)
    if count > MAX_NODES:
        raise SyntaxRefusal("this is too long", "split it up")


def _check_node(node: nodes.Node) -> None:
    line = node.lineno
    if not isinstance(node, _ALLOWED):
        tag = _TAGS.get(type(node), type(node).__name__.lower())
        raise SyntaxRefusal(f"there is no {{% {tag} %}} here", "use if, for, set and with", line)
    if isinstance(node, nodes.For) and node.recursive:
        raise SyntaxRefusal("loops can't be recursive", "leave out the word recursive", line)
    if isinstance(node, nodes.AssignBlock) and node.filter is not None:
        raise SyntaxRefusal("a set block takes no filter", "apply it where the name is used", line)
    if isinstance(node, nodes.Call | nodes.Filter | nodes.Test):
        _check_arguments(node)
    if isinstance(node, nodes.Const):
        _check_constant(node)
    elif isinstance(node, nodes.Getattr | nodes.NSRef):
        _check_name(node.attr, line)
    elif isinstance(node, nodes.Name):
        _check_variable(node)
    elif isinstance(node, nodes.Call):
        _check_call(node)
    elif isinstance(node, nodes.Filter):
        _check_known(node.name, FILTERS, "filter", line)
    elif isinstance(node, nodes.Test):
        _check_known(node.name, TESTS, "test", line)


def _check_constant(node: nodes.Const) -> None:
    value = node.value
    is_huge = isinstance(value, int) and value.bit_length() > MAX_BITS
    if is_huge or value == float("inf"):
        raise SyntaxRefusal("a number is too large", "use a smaller one", node.lineno)


def _check_name(name: str, line: int | None) -> None:
    if name.startswith("_"):
        raise SyntaxRefusal(
            f'"{name:.40}" starts with an underscore and is private', 'a key is written ["_key"]', line
        )


def _check_variable(node: nodes.Name) -> None:
    if node.ctx != "load" and node.name == "_":
        return
    _check_name(node.name, node.lineno)
    if node.name in _RESERVED or (node.name == "loop" and node.ctx != "load"):
        raise SyntaxRefusal(f'"{node.name}" can\'t be used as a name here', "choose another one", node.lineno)


def _check_arguments(node: nodes.Call | nodes.Filter | nodes.Test) -> None:
    keys = [keyword.key for keyword in node.kwargs]
    for key in keys:
        _check_name(str(key), node.lineno)
        if keys.count(key) > 1:
            raise SyntaxRefusal(f'"{key:.40}" is given twice', "give it once", node.lineno)


def _check_call(node: nodes.Call) -> None:
    callee = node.node
    if isinstance(callee, nodes.Getattr):
        _check_known(callee.attr, METHODS, "method", node.lineno)
    elif isinstance(callee, nodes.Name):
        _check_known(callee.name, FUNCTIONS, "function", node.lineno)
    else:
        raise SyntaxRefusal("only functions and methods can be called", "name one before the (", node.lineno)


def _check_known(name: str, known: Collection[str], what: str, line: int | None) -> None:
    if name not in known:
        cure = Suggestions().cure(name, sorted(known), f"{what}s")
        raise SyntaxRefusal(f'there is no {what} "{name:.40}"', cure, line)
