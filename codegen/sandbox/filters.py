"""All filters and tests, and the filters that apply others to each item."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Undefined

from codegen.sandbox import data, lists, texts
from codegen.sandbox.context import Evaluation, budgeted
from codegen.sandbox.errors import Refusal
from codegen.sandbox.limits import Budget
from codegen.sandbox.lists import getter
from codegen.sandbox.marked import Quoted, Raw
from codegen.sandbox.operations import binary
from codegen.suggestions import Suggestions

Callback = Callable[..., Any]


@pass_context
def raw(context: Evaluation, value: Any) -> Any:
    """Goes into a shell command as it is; elsewhere nothing changes."""
    if not context.for_shell:
        return value
    return Raw(context.budget.text(value)) if value is not None else None


@pass_context
def quote(context: Evaluation, value: Any) -> str:
    """Quoted for a shell, and in shell commands not once more."""
    text = texts.quote(context.budget, value)
    return Quoted(text, value) if context.for_shell else text


@pass_context
def apply(context: Evaluation, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """`map`: an attribute of each item, or each item through a filter."""
    items = _stepped(context, value)
    if not args and "attribute" in kwargs:
        get = getter(kwargs.pop("attribute"), kwargs.pop("default", None))
        if kwargs:
            raise Refusal("map with an attribute takes nothing but a default")
        return [get(item) for item in items]
    if not args:
        raise Refusal("map needs a filter or an attribute", "write map('upper') or map(attribute='name')")
    if args[0] == "raw":
        raise Refusal("map cannot apply raw", "write | raw where the value is put into the command")
    function = _named(FILTERS, args[0], "filter")
    return [function(context, item, *args[1:], **kwargs) for item in items]


def choose(*, wanted: bool, by_attribute: bool) -> Callback:
    """`select`, `reject`, `selectattr` and `rejectattr`."""

    @pass_context
    def chosen(context: Evaluation, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if by_attribute and not args:
            raise Refusal(
                "an attribute is missing", "write selectattr('name') or selectattr('name', 'eq', 1)"
            )
        get = getter(args[0]) if by_attribute else getter(None)
        rest = args[1:] if by_attribute else args
        test = _named(TESTS, rest[0], "test") if rest else lambda _, item: bool(item)
        items = _stepped(context, value)
        return [item for item in items if bool(test(context, get(item), *rest[1:], **kwargs)) is wanted]

    return chosen


def _stepped(context: Evaluation, value: Any) -> list[Any]:
    items = context.budget.items(value)
    context.budget.iterate(len(items))
    return items


def _named(table: Mapping[str, Callback], name: Any, what: str) -> Callback:
    if isinstance(name, Undefined):
        str(name)
    if name not in table:
        raise Refusal(f'there is no {what} "{name!s:.40}"', Suggestions().cure(str(name), table, f"{what}s"))
    return table[name]


def _compared(compare: Callable[[Any, Any], Any]) -> Callback:
    def test(budget: Budget, value: Any, other: Any) -> bool:
        budget.weigh(value)
        budget.weigh(other)
        return bool(compare(value, other))

    return budgeted(test)


def _is(check: Callable[[Any], bool]) -> Callback:
    def test(_: Budget, value: Any) -> bool:
        if isinstance(value, Undefined):
            str(value)
        return check(value)

    return budgeted(test)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


FILTERS: dict[str, Callback] = {
    "map": apply,
    "quote": quote,
    "raw": raw,
    "reject": choose(wanted=False, by_attribute=False),
    "rejectattr": choose(wanted=False, by_attribute=True),
    "select": choose(wanted=True, by_attribute=False),
    "selectattr": choose(wanted=True, by_attribute=True),
}
_PLAIN_FILTERS: dict[str, Callback] = {
    "abs": lambda _, value: abs(value),
    "basename": texts.basename,
    "batch": lists.batch,
    "bool": texts.to_bool,
    "capitalize": texts.capitalize,
    "center": texts.center,
    "count": lists.length,
    "d": lists.default,
    "default": lists.default,
    "dictsort": lists.dictsort,
    "dirname": texts.dirname,
    "filesizeformat": texts.filesizeformat,
    "first": lists.first,
    "float": texts.to_float,
    "format": texts.format_text,
    "from_json": data.from_json,
    "groupby": lists.grouped,
    "indent": texts.indent,
    "int": texts.to_int,
    "items": lists.items,
    "join": lists.join,
    "last": lists.last,
    "length": lists.length,
    "list": lists.to_list,
    "lower": texts.lower,
    "max": lists.largest,
    "min": lists.smallest,
    "regex_findall": data.regex_findall,
    "regex_replace": data.regex_replace,
    "regex_search": data.regex_search,
    "replace": texts.replace,
    "reverse": lists.reverse,
    "round": texts.to_round,
    "slice": lists.parts,
    "sort": lists.sort,
    "split": texts.split,
    "splitlines": texts.splitlines,
    "string": texts.string,
    "sum": lists.total,
    "title": texts.title,
    "to_json": data.to_json,
    "tojson": data.to_json,
    "trim": texts.trim,
    "truncate": texts.truncate,
    "unique": lists.unique,
    "upper": texts.upper,
    "urlencode": texts.urlencode,
    "wordcount": texts.wordcount,
    "wordwrap": texts.wordwrap,
}
FILTERS |= {name: budgeted(function) for name, function in _PLAIN_FILTERS.items()}

TESTS: dict[str, Callback] = {
    "defined": budgeted(lambda _, value: not isinstance(value, Undefined)),
    "undefined": budgeted(lambda _, value: isinstance(value, Undefined)),
    "match": budgeted(data.matches),
    "search": budgeted(data.searches),
    "divisibleby": budgeted(lambda budget, value, number: binary(budget, "%", value, number) == 0),
    "even": budgeted(lambda budget, value: binary(budget, "%", value, 2) == 0),
    "odd": budgeted(lambda budget, value: binary(budget, "%", value, 2) == 1),
    "lower": budgeted(lambda budget, value: budget.text(value).islower()),
    "upper": budgeted(lambda budget, value: budget.text(value).isupper()),
    "boolean": _is(lambda value: isinstance(value, bool)),
    "false": _is(lambda value: value is False),
    "float": _is(lambda value: isinstance(value, float)),
    "integer": _is(lambda value: isinstance(value, int) and not isinstance(value, bool)),
    "iterable": _is(lambda value: isinstance(value, Iterable)),
    "mapping": _is(lambda value: isinstance(value, Mapping)),
    "none": _is(lambda value: value is None),
    "number": _is(_is_number),
    "sequence": _is(lambda value: isinstance(value, Sequence)),
    "string": _is(lambda value: isinstance(value, str)),
    "true": _is(lambda value: value is True),
    "sameas": budgeted(lambda _, value, other: value is other),
    "in": _compared(lambda value, seq: value in seq),
}
TESTS |= {
    name: _compared(compare)
    for compare, names in {
        operator.eq: ("==", "eq", "equalto"),
        operator.ne: ("!=", "ne"),
        operator.gt: (">", "gt", "greaterthan"),
        operator.ge: (">=", "ge"),
        operator.lt: ("<", "lt", "lessthan"),
        operator.le: ("<=", "le"),
    }.items()
    for name in names
}
