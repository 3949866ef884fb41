"""Whether a text hands a name's values on as they are: what is changed can't be found again to be hidden."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from jinja2 import nodes

from codegen.sandbox.grammar import chain

FAITHFUL_FILTERS = frozenset({"quote", "string", "to_json", "tojson", "urlencode"})
"""What these make of a value is known, so it can be found again."""

_CARRIERS = (nodes.Add, nodes.Concat, nodes.Dict, nodes.List, nodes.Output, nodes.Pair, nodes.Template)


@dataclass(frozen=True, slots=True)
class _Sought:
    """The values below a name: all of them, or those with these keys."""

    name: str
    keys: Collection[str] | None

    def is_value(self, node: nodes.Node) -> bool:
        """`name.key` or `name["key"]`."""
        if not isinstance(node, nodes.Getattr | nodes.Getitem) or not self._is_name(node.node):
            return False
        path, _ = chain(node)
        return len(path) == 1 and (self.keys is None or path[0] in self.keys)

    def is_in(self, node: nodes.Node) -> bool:
        """Whether the node, or one in it, is such a value or the name itself where all are sought."""
        return self.is_it(node) or any(map(self.is_it, node.find_all(nodes.Expr)))

    def is_it(self, node: nodes.Node) -> bool:
        """Whether the node is such a value, or the name itself where all are sought."""
        return self.is_value(node) or (self.keys is None and self._is_name(node))

    def _is_name(self, node: nodes.Node) -> bool:
        return isinstance(node, nodes.Name) and node.name == self.name and node.ctx == "load"


def keeps(tree: nodes.Node, name: str, keys: Collection[str] | None = None) -> bool:
    """Whether the values below a name, all or those with these keys, are only put together with other texts,
    or written as data."""
    sought = _Sought(name, keys)
    todo: list[tuple[nodes.Node, bool]] = [(tree, False)]
    while todo:
        node, filtered = todo.pop()
        if sought.is_value(node):
            continue
        is_filter = isinstance(node, nodes.Filter) and node.name in FAITHFUL_FILTERS and not filtered
        carried = list(_carried(node)) if not is_filter else [node.node]  # type: ignore[attr-defined]
        if any(map(sought.is_in, _others(node, carried))) or sought.is_it(node):
            return False
        todo += [(child, filtered or is_filter) for child in carried]
    return True


def _carried(node: nodes.Node) -> Iterator[nodes.Node]:
    """The children whose values, or whose texts, are a part of what the node gives."""
    if isinstance(node, _CARRIERS):
        yield from node.iter_child_nodes()
    elif isinstance(node, nodes.CondExpr):
        yield from filter(None, (node.expr1, node.expr2))
    elif isinstance(node, nodes.If):
        yield from (*node.body, *node.elif_, *node.else_)
    elif isinstance(node, nodes.For):
        yield from (*node.body, *node.else_)
    elif isinstance(node, nodes.With):
        yield from node.body


def _others(node: nodes.Node, carried: list[nodes.Node]) -> Iterator[nodes.Node]:
    kept = {id(child) for child in carried}
    return (child for child in node.iter_child_nodes() if id(child) not in kept)
