"""Every operation of a syntax tree that could loop, build or look up becomes a call of the sandbox."""

from typing import Any, TypeVar

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from codegen.sandbox.grammar import chain
from codegen.sandbox.limits import CELL

VALUE = "_value"
"""The variable that holds the value of an expression."""

_LONG = 256  # characters of a literal from which on comparing it is worth counting

NodeT = TypeVar("NodeT", bound=nodes.Node)


def call(name: str, node: nodes.Expr, *args: Any) -> nodes.Filter:
    """A call of an operation of the sandbox: Jinja knows it as a filter whose name nobody can write."""
    constants = [arg if isinstance(arg, nodes.Node) else nodes.Const(arg) for arg in args]
    return nodes.Filter(node, f"_{name}", constants, [], None, None, lineno=node.lineno)


class Rewriter(NodeTransformer):
    """Rewrites a checked tree in place."""

    def __init__(self) -> None:
        self.captured = 0

    def expression(self, node: nodes.Expr) -> nodes.Template:
        """A program that computes the expression's value."""
        target = nodes.Name(VALUE, "store", lineno=node.lineno)
        return nodes.Template([nodes.Assign(target, self.visit(node), lineno=node.lineno)], lineno=1)

    def visit_Output(self, node: nodes.Output) -> nodes.Output:  # noqa: N802
        """Each value becomes text; what is captured for later is counted when it is written."""
        node.nodes = [self.written(child) for child in node.nodes]
        return node

    def written(self, node: nodes.Expr) -> nodes.Expr:
        """A part of the output."""
        if not isinstance(node, nodes.TemplateData):
            return self.shown(node)
        return call("literal", nodes.Const(node.data, lineno=node.lineno)) if self.captured else node

    def shown(self, node: nodes.Expr) -> nodes.Expr:
        """A value in the output."""
        return call("text", self.visit(node))

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.AssignBlock:  # noqa: N802
        """`{% set x %}...{% endset %}`."""
        self.captured += 1
        node.body = [self.visit(child) for child in node.body]
        self.captured -= 1
        node.filter = nodes.Filter(None, "_captured", [], [], None, None, lineno=node.lineno)
        return node

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        """The steps of a loop are paid for before it starts, by the size of its body."""
        size = sum(map(_own_size, node.body)) + (_own_size(node.test) if node.test else 0)
        node.iter = self.visit(node.iter)
        node.test = self.visit(node.test) if node.test else None
        self.loop_body(node)
        node.iter = call("each", node.iter, size * CELL // 2)  # type: ignore[arg-type]
        return node

    def loop_body(self, node: nodes.For) -> None:
        """The body, then the else branch."""
        for block in (node.body, node.else_):
            block[:] = [self.visit(child) for child in block]

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Expr:  # noqa: N802
        """`a.b`."""
        return self._line(call("find", self.visit(node.node), node.attr, describe(node.node)), node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        """`a[b]` and `a[b:c]`."""
        where = describe(node.node)
        subject = self.visit(node.node)
        if isinstance(node.arg, nodes.Slice):
            bounds = (node.arg.start, node.arg.stop, node.arg.step)
            made = call("slice", subject, *(self.visit(bound) if bound else None for bound in bounds))
        else:
            made = call("find", subject, self.visit(node.arg), where)
        return self._line(made, node)

    def visit_Call(self, node: nodes.Call) -> nodes.Expr:  # noqa: N802
        """`text.upper()` and `range(3)`."""
        callee = node.node
        if isinstance(callee, nodes.Getattr):
            where = describe(callee.node)
            made = call("method", self.visit(callee.node), callee.attr, where)
        else:
            made = call("call", nodes.Const(callee.name, lineno=node.lineno))  # type: ignore[attr-defined]
        made.args += [self.visit(arg) for arg in node.args]
        made.kwargs = [self.generic_visit(keyword) for keyword in node.kwargs]  # type: ignore[misc]
        made.dyn_args = self.visit(node.dyn_args) if node.dyn_args else None
        made.dyn_kwargs = self.visit(node.dyn_kwargs) if node.dyn_kwargs else None
        return self._line(made, node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        """`a ~ b`."""
        parts = nodes.List([self.visit(child) for child in node.nodes], lineno=node.lineno)
        return call("concat", parts)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        """Comparing costs as much as what is compared is large."""
        node.expr = self._weighed(node.expr)
        for operand in node.ops:
            operand.expr = self._weighed(operand.expr)
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Pair:  # noqa: N802
        """A key of a mapping is a text or a number."""
        self.generic_visit(node)
        if not isinstance(node.key, nodes.Const):
            node.key = call("key", node.key)
        return node

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.CondExpr:  # noqa: N802
        """`a if b` without an else writes nothing where b is false."""
        if node.expr2 is None:
            node.expr2 = call("literal", nodes.Const("", lineno=node.lineno))
            node.test, node.expr1 = self.visit(node.test), self.visit(node.expr1)
            return node
        return self.generic_visit(node)  # type: ignore[return-value]

    def _weighed(self, node: nodes.Expr) -> nodes.Expr:
        if isinstance(node, nodes.Const) and not (isinstance(node.value, str) and len(node.value) > _LONG):
            return node
        return call("weigh", self.visit(node))

    def _line(self, made: NodeT, node: nodes.Node) -> NodeT:
        made.lineno = node.lineno
        return made


def describe(node: nodes.Node) -> str:
    """How messages name what a node stands for: `steps.usage.items[index]`."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{describe(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem):
        arg = node.arg
        shown = repr(arg.value) if isinstance(arg, nodes.Const) else describe(arg)
        return f"{describe(node.node)}[{'...' if shown == THE_VALUE else shown}]"
    return THE_VALUE


THE_VALUE = "the value"


def is_reference(node: nodes.Node) -> bool:
    """Whether the value is one of the scope's own, nothing new."""
    return isinstance(chain(node)[1], nodes.Name)


def _own_size(node: nodes.Node) -> int:
    """How many nodes there are, without the bodies of inner loops, which pay for themselves."""
    size = 0
    todo = [node]
    while todo:
        node = todo.pop()
        size += 1
        inner = ("body",) if isinstance(node, nodes.For) else None
        todo.extend(node.iter_child_nodes(exclude=inner))
    return size
