"""What steps hand to each other is JSON data, whatever an expression gave."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from codegen.scalars import scalar_text
from steps.errors import StepFailed
from steps.sound_text import sound_text

# pydantic serializes 255 levels; a report wraps some more around the data of a step.
DEEPEST = 200


def json_data(value: Any, what: str) -> Any:
    """The value as JSON data: tuples become lists, times become texts. StepFailed says what is none."""
    if value is None or isinstance(value, bool | int | float):
        return value
    try:
        sound = _sound(value)
        return sound if isinstance(sound, str) else to_jsonable_python(sound)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise StepFailed(
            f"{what} is no JSON data but {type(value).__name__}; "
            f"use texts, numbers, booleans, lists, mappings or null, nested at most {DEEPEST} levels deep"
        ) from error


def _sound(data: Any, depth: int = 0) -> Any:
    if isinstance(data, str):
        return sound_text(data)
    if depth > DEEPEST:
        raise RecursionError
    if isinstance(data, list | tuple):
        return [_sound(item, depth + 1) for item in data]
    if isinstance(data, Mapping):
        return {
            sound_text(key) if isinstance(key, str) else key: _sound(item, depth + 1)
            for key, item in data.items()
        }
    return data


def plain_text(value: Any) -> str:
    """A filled-in template as a text: one that is a single `{{ expression }}` may have given anything."""
    return value if isinstance(value, str) else scalar_text(value)


def word(value: Any, what: str) -> str:
    """A text that a program gets; None is refused as it is in a shell command."""
    if value is None:
        raise StepFailed(f"{what} is none, which no program can take; add | default('', true)")
    return plain_text(value)


def words(values: Iterable[Any], what: str) -> list[str]:
    """Arguments of a program; a list among them becomes one argument for each item."""
    flat = (item for value in values for item in (value if isinstance(value, list | tuple) else (value,)))
    return [word(value, f"{what} {index}") for index, value in enumerate(flat)]
