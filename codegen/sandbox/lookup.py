"""What `a.b` and `a["b"]` find, and what is said when they find nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from jinja2 import StrictUndefined, UndefinedError
from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import Undefined
from jinja2.utils import Namespace, missing
from pydantic import BaseModel

from codegen.sandbox.errors import Refusal
from codegen.sandbox.limits import kind
from codegen.suggestions import Suggestions, listed

SCOPE = ""
"""The `where` of a name that the scope doesn't have."""


class Missing(StrictUndefined):
    """Something that isn't there. It may be tested for and given a default; any other use is an error."""

    __slots__ = ("where",)

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: Any = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
        where: str = SCOPE,
    ) -> None:
        super().__init__(hint, obj, name, exc)
        self.where = where

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint or self._undefined_obj is missing:
            return super()._undefined_message
        return _absence(self._undefined_obj, self._undefined_name, self.where)


def find(value: Any, key: Any, where: str) -> Any:
    """The entry or attribute of a value: of a mapping its key, of a list its position, else an attribute.

    What isn't there is `Missing`, and so is everything below it: the message names the first that is absent.
    """
    if isinstance(value, Undefined):
        return value
    if isinstance(key, Undefined):
        str(key)
    if isinstance(value, Mapping):
        return _entry(value, key, where)
    if isinstance(key, str):
        return _attribute(value, key, where)
    if isinstance(value, list | tuple | str) and isinstance(key, int):
        try:
            return value[key]
        except IndexError:
            return Missing(obj=value, name=key, where=where)
    raise Refusal(f"{where} is {kind(value)} and has no entries by {kind(key)}")


def _entry(value: Mapping[Any, Any], key: Any, where: str) -> Any:
    if not isinstance(key, str | int | float | None):
        raise Refusal(f"{where} has no entries by {kind(key)}", "use a text or a number")
    try:
        return value[key]
    except KeyError:
        return Missing(obj=value, name=key, where=where)


def _attribute(value: Any, name: str, where: str) -> Any:
    absent = Missing(obj=value, name=name, where=where)
    if name.startswith("_"):
        return absent
    if isinstance(value, BaseModel):
        return vars(value).get(name, absent)
    if isinstance(value, tuple):
        return getattr(value, name) if name in getattr(value, "_fields", ()) else absent
    if isinstance(value, type) or type(value).__module__ == "builtins":
        return absent
    found = getattr(value, name, absent)
    return absent if callable(found) and not isinstance(found, Undefined) else found


def _absence(value: Any, name: Any, where: str) -> str:
    if where == SCOPE:
        return f'there is no "{name}" here; {_offer(name, value, "known")}'
    if isinstance(value, list | tuple):
        count = f"{len(value)} item{'' if len(value) == 1 else 's'}"
        if isinstance(name, int):
            return f"{where} has {count}, so there is no [{name}]"
        return f'{where} is a list of {count} and has no "{name}"; pick an item, as in {where}[0]'
    names = _names(value)
    if isinstance(value, Mapping | Namespace) or names:
        return f'{where} has no "{name}"; {_offer(name, names, "it has")}'
    return f'{where} is {kind(value)}, so it has no "{name}"'


def _names(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [str(key)[:40] for key in value]
    if isinstance(value, Namespace):
        return list(object.__getattribute__(value, "_Namespace__attrs"))
    if isinstance(value, BaseModel):
        return list(type(value).model_fields)
    return [field.name for field in fields(value)] if is_dataclass(value) else []


def _offer(name: Any, there: Iterable[Any], lead: str) -> str:
    names = [str(each)[:40] for each in there]
    meant = Suggestions().closest(str(name), names)
    hint = f'; did you mean "{meant}"?' if meant else ""
    return f"{lead}: {listed(names)}{hint}" if names else "there is nothing"
