"""Whether a text hands a name's values on as they are: what is changed can't be found again to be hidden."""

from collections.abc import Iterator

from jinja2 import nodes

from codegen.sandbox.grammar import chain

FAITHFUL_FILTERS = frozenset({"quote", "string", "to_json", "tojson", "urlencode"})
"""What these make of a value is known, so it can be found again."""

_CARRIERS = (nodes.Add, nodes.Concat, nodes.Dict, nodes.List, nodes.Output, nodes.Pair, nodes.Template)


def keeps(tree: nodes.Node, name: str) -> bool:
    """Whether the values below a name are only put together with other texts, or written as data."""
    todo: list[tuple[nodes.Node, bool]] = [(tree, False)]
    while todo:
        node, filtered = todo.pop()
        if _is_value_of(node, name):
            continue
        is_filter = isinstance(node, nodes.Filter) and node.name in FAITHFUL_FILTERS and not filtered
        carried = list(_carried(node)) if not is_filter else [node.node]  # type: ignore[attr-defined]
        if any(_mentions(child, name) for child in _others(node, carried)) or _is_name(node, name):
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


def _is_value_of(node: nodes.Node, name: str) -> bool:
    """`name.key` or `name["key"]`."""
    path, root = chain(node)
    return len(path) == 1 and not isinstance(node, nodes.Name) and _is_name(root, name) and _is_direct(node)


def _is_direct(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Getattr | nodes.Getitem) and isinstance(node.node, nodes.Name)


def _mentions(node: nodes.Node, name: str) -> bool:
    return _is_name(node, name) or any(_is_name(each, name) for each in node.find_all(nodes.Name))


def _is_name(node: nodes.Node, name: str) -> bool:
    return isinstance(node, nodes.Name) and node.name == name and node.ctx == "load"
