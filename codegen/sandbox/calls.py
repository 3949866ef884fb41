"""The few functions there are, and the methods of texts, mappings and lists that may be called."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import LoopContext, Undefined
from jinja2.utils import Namespace

from codegen.sandbox import lists, texts
from codegen.sandbox.context import Evaluation
from codegen.sandbox.errors import LimitRefusal, Refusal
from codegen.sandbox.limits import MAX_ITEMS, Budget, kind

Method = Callable[..., Any]


def _range(budget: Budget, *bounds: int) -> list[int]:
    numbers = range(*bounds)
    try:
        count = len(numbers)
    except OverflowError as error:
        raise LimitRefusal(f"this builds a list of more than {MAX_ITEMS:,} items") from error
    budget.collect(count)
    return list(numbers)


def _dict(budget: Budget, pairs: Any = (), /, **named: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in lists.items(budget, pairs) if isinstance(pairs, Mapping) else budget.items(pairs):
        made[key if isinstance(key, str) else budget.text(key)] = value
    return made | named


def _namespace(_: Budget, /, **named: Any) -> Namespace:
    return Namespace(**named)


def _plain(name: str) -> Method:
    """A text method whose result is hardly longer than the text."""
    method = getattr(str, name)

    def call(budget: Budget, text: str, *args: Any) -> Any:
        budget.search(text, *args)
        return method(text, *args)

    return call


def _rsplit(budget: Budget, text: str, separator: str | None = None, maxsplit: int = -1) -> list[str]:
    most = MAX_ITEMS if maxsplit < 0 else min(maxsplit, MAX_ITEMS)
    budget.search(text, separator)
    found = text.rsplit(separator, most)
    budget.collect(len(found))
    return found


def _join(budget: Budget, text: str, values: Any) -> str:
    return lists.join(budget, values, text)


def _get(_: Budget, mapping: Mapping[Any, Any], key: Any, default: Any = None) -> Any:
    if not isinstance(key, str | int | float | None):
        raise Refusal(f"a mapping has no entries by {kind(key)}", "use a text or a number")
    return mapping.get(key, default)


def _find_in(name: str) -> Method:
    def call(budget: Budget, items: Any, value: Any) -> Any:
        budget.weigh(items)
        return getattr(items, name)(value)

    return call


def _loop(name: str) -> Method:
    def call(budget: Budget, loop: LoopContext, *values: Any) -> Any:
        budget.weigh(values)
        return getattr(loop, name)(*values)

    return call


FUNCTIONS: dict[str, Method] = {"range": _range, "dict": _dict, "namespace": _namespace}

_PLAIN_TEXT_METHODS = (
    ("capitalize", "casefold", "lower", "swapcase", "upper"),
    ("lstrip", "removeprefix", "removesuffix", "rstrip", "strip"),
    ("count", "endswith", "find", "index", "partition", "rfind", "rindex", "rpartition", "startswith"),
    ("isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric"),
    ("isspace", "istitle", "isupper"),
)
TEXT_METHODS: dict[str, Method] = {name: _plain(name) for names in _PLAIN_TEXT_METHODS for name in names}
TEXT_METHODS |= {
    "center": texts.justify(str.center),
    "join": _join,
    "ljust": texts.justify(str.ljust),
    "replace": texts.replace,
    "rjust": texts.justify(str.rjust),
    "rsplit": _rsplit,
    "split": texts.split,
    "splitlines": texts.splitlines,
    "title": texts.title,
    "zfill": texts.zfill,
}
MAPPING_METHODS: dict[str, Method] = {
    "get": _get,
    "items": lists.items,
    "keys": lambda budget, mapping: budget.items(mapping),
    "values": lambda budget, mapping: [value for _, value in lists.items(budget, mapping)],
}
LIST_METHODS: dict[str, Method] = {"count": _find_in("count"), "index": _find_in("index")}
LOOP_METHODS: dict[str, Method] = {"cycle": _loop("cycle"), "changed": _loop("changed")}
METHODS = frozenset({*TEXT_METHODS, *MAPPING_METHODS, *LIST_METHODS, *LOOP_METHODS})


@pass_context
def call_function(context: Evaluation, name: str, /, *args: Any, **kwargs: Any) -> Any:
    """`range(3)`."""
    return FUNCTIONS[name](context.budget, *args, **kwargs)


@pass_context
def call_method(context: Evaluation, value: Any, name: str, where: str, /, *args: Any, **kwargs: Any) -> Any:
    """`text.upper()`."""
    if isinstance(value, Undefined):
        str(value)
    methods = _methods_of(value)
    if name not in methods:
        raise Refusal(f'{where} is {kind(value)} and has no method "{name}"')
    return methods[name](context.budget, value, *args, **kwargs)


def _methods_of(value: Any) -> dict[str, Method]:
    if isinstance(value, str):
        return TEXT_METHODS
    if isinstance(value, Mapping):
        return MAPPING_METHODS
    if isinstance(value, list | tuple):
        return LIST_METHODS
    return LOOP_METHODS if isinstance(value, LoopContext) else {}
