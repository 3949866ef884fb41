"""Filters that go through lists and mappings."""

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from jinja2.runtime import Undefined

from codegen.sandbox.errors import Refusal
from codegen.sandbox.limits import Budget, kind, weight
from codegen.sandbox.lookup import Missing, find
from codegen.sandbox.operations import binary
from codegen.sandbox.operations import join as join_texts

Getter = Callable[[Any], Any]


class Group(NamedTuple):
    """The items that share one value."""

    grouper: Any
    list: list[Any]


def getter(attribute: Any, default: Any = None) -> Getter:
    """Reads `a.b.0` of an item."""
    if attribute is None:
        return lambda item: item
    parts: list[Any] = [attribute]
    if isinstance(attribute, str):
        parts = [int(part) if part.isdecimal() else part for part in attribute.split(".")]

    def get(item: Any) -> Any:
        for part in parts:
            item = find(item, part, "an item")
        return default if default is not None and isinstance(item, Undefined) else item

    return get


def default(_: Budget, value: Any, other: Any = "", boolean: bool = False) -> Any:
    """`other` where the value is undefined, or with `boolean` where it is empty, zero, false or none."""
    return other if isinstance(value, Undefined) or (boolean and not value) else value


def length(_: Budget, value: Any) -> int:
    """How many items or characters."""
    try:
        return len(value)
    except TypeError as error:
        raise Refusal(f"{kind(value)} has no length") from error


def first(budget: Budget, value: Any) -> Any:
    """The first item."""
    if isinstance(value, list | tuple | str):
        return value[0] if value else Missing("there is no first item, the list is empty")
    return next(iter(budget.items(value)), Missing("there is no first item, it is empty"))


def last(budget: Budget, value: Any) -> Any:
    """The last item."""
    if isinstance(value, list | tuple | str):
        return value[-1] if value else Missing("there is no last item, the list is empty")
    return next(reversed(budget.items(value)), Missing("there is no last item, it is empty"))


def to_list(budget: Budget, value: Any) -> list[Any]:
    """The items of a list, the keys of a mapping, the characters of a text."""
    return budget.items(value)


def reverse(budget: Budget, value: Any) -> Any:
    """Last to first."""
    if isinstance(value, str):
        return budget.text(value)[::-1]
    return budget.items(value)[::-1]


def join(budget: Budget, value: Any, separator: Any = "", attribute: Any = None) -> str:
    """The items as text with a separator between them."""
    get = getter(attribute)
    return join_texts(
        budget, [budget.text(get(item)) for item in budget.items(value)], budget.text(separator)
    )


def sort(
    budget: Budget, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    """In order; by `attribute`, or several of them with commas between."""
    names = attribute.split(",") if isinstance(attribute, str) else [attribute]
    key = _sort_key([getter(name) for name in names], case_sensitive)
    return _sorted(budget, budget.items(value), key, reverse)


def unique(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    """Each value once, where it comes first."""
    get = getter(attribute)
    kept: dict[str, Any] = {}
    for item in budget.items(value):
        kept.setdefault(_identity(budget, get(item), case_sensitive), item)
    return list(kept.values())


def smallest(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
    """The smallest item."""
    return _extreme(budget, value, min, _sort_key([getter(attribute)], case_sensitive))


def largest(budget: Budget, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
    """The largest item."""
    return _extreme(budget, value, max, _sort_key([getter(attribute)], case_sensitive))


def total(budget: Budget, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    """The sum of the items."""
    get = getter(attribute)
    items = budget.items(value)
    budget.iterate(len(items))
    for item in items:
        start = binary(budget, "+", start, get(item))
    return start


def batch(budget: Budget, value: Any, size: int, fill_with: Any = None) -> list[list[Any]]:
    """Lists of `size` items each, the last one filled up with `fill_with`."""
    _check_count(size)
    items = budget.items(value)
    batches = [items[at : at + size] for at in range(0, len(items), size)]
    if fill_with is not None and batches:
        budget.collect(size)
        batches[-1] += [fill_with] * (size - len(batches[-1]))
    return batches


def parts(budget: Budget, value: Any, count: int, fill_with: Any = None) -> list[list[Any]]:
    """`count` lists of nearly the same length."""
    _check_count(count)
    budget.collect(count)
    items = budget.items(value)
    size, longer = divmod(len(items), count)
    made = [items[n * size + min(n, longer) : (n + 1) * size + min(n + 1, longer)] for n in range(count)]
    if fill_with is not None:
        for part in made[longer:] if longer else []:
            part.append(fill_with)
    return made


def grouped(
    budget: Budget, value: Any, attribute: Any, default: Any = None, case_sensitive: bool = False
) -> list[Group]:
    """Groups of the items that share an attribute, in its order; each has `grouper` and `list`."""
    get = getter(attribute, default)
    key = _sort_key([get], case_sensitive)
    groups = [list(same) for _, same in groupby(_sorted(budget, budget.items(value), key), key)]
    return [Group(get(same[0]), same) for same in groups]


def dictsort(
    budget: Budget, value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False
) -> list[Any]:
    """The (key, value) pairs of a mapping, sorted by key or value."""
    if by not in ("key", "value"):
        raise Refusal("dictsort sorts by key or by value")
    position = ("key", "value").index(by)
    key = _sort_key([lambda pair: pair[position]], case_sensitive)
    return _sorted(budget, items(budget, value), key, reverse)


def items(budget: Budget, value: Any) -> list[Any]:
    """The (key, value) pairs of a mapping."""
    if isinstance(value, Undefined):
        return []
    if not isinstance(value, Mapping):
        raise Refusal(f"{kind(value)} has no keys", "give a mapping")
    budget.collect(len(value))
    return list(value.items())


def _sort_key(getters: list[Getter], case_sensitive: bool) -> Getter:
    def key(item: Any) -> list[Any]:
        values = [get(item) for get in getters]
        return [value.lower() if isinstance(value, str) and not case_sensitive else value for value in values]

    return key


def _sorted(budget: Budget, items: list[Any], key: Getter, reverse: bool = False) -> list[Any]:
    budget.spend(weight(items, budget.work) * len(items).bit_length())
    return sorted(items, key=key, reverse=reverse)


def _extreme(budget: Budget, value: Any, choose: Callable[..., Any], key: Getter) -> Any:
    items = budget.items(value)
    budget.weigh(items)
    return choose(items, key=key) if items else Missing("there is nothing to choose from, the list is empty")


def _identity(budget: Budget, value: Any, case_sensitive: bool) -> str:
    """Equal for equal values. Texts, since numbers can be chosen so that a set of them is slow."""
    if isinstance(value, str):
        text = budget.text(value)
        return f"text {text if case_sensitive else text.lower()}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{'number' if isinstance(value, int) else 'value'} {budget.text(value)}"


def _check_count(count: Any) -> None:
    if not isinstance(count, int) or count < 1:
        raise Refusal("the number of items or parts must be at least 1")
