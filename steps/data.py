"""What steps hand to each other is JSON data, whatever an expression gave."""

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
            f"{what} is a {type(value).__name__} that is no JSON data; "
            "use texts, numbers, booleans, lists, mappings or null"
        ) from error


def plain_text(value: Any) -> str:
    """A filled-in template where only a text fits: an argument, a header, a variable's value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
