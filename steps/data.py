"""What steps hand to each other is JSON data, whatever an expression gave."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from steps.errors import StepFailed


def json_data(value: Any, what: str) -> Any:
    """The value as JSON data: tuples become lists, times become texts. StepFailed says what is none."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    try:
        return to_jsonable_python(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise StepFailed(
            f"{what} is no JSON data but {type(value).__name__}; "
            "use texts, numbers, booleans, lists, mappings or null"
        ) from error


def plain_text(value: Any) -> str:
    """A filled-in template as a text: one that is a single `{{ expression }}` may have given anything."""
    return value if isinstance(value, str) else str(value)


def word(value: Any, what: str) -> str:
    """A text that a program gets; None is refused as it is in a shell command."""
    if value is None:
        raise StepFailed(f"{what} is none, which no program can take; add | default('', true)")
    return plain_text(value)


def words(values: Iterable[Any], what: str) -> list[str]:
    """Arguments of a program; a list among them becomes one argument for each item."""
    flat = (item for value in values for item in (value if isinstance(value, list | tuple) else (value,)))
    return [word(value, f"{what} {index}") for index, value in enumerate(flat)]
