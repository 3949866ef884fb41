"""The value types of the document: identifiers, durations, templates and expressions."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic import BaseModel as PydanticModel

from codegen.durations import parse_duration
from codegen.expressions import ExpressionError, parse_expression, parse_template


class Model(PydanticModel):
    """Frozen and closed: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


TextKind = Literal["expression", "template", "shell"]


@dataclass(frozen=True, slots=True)
class Text:
    """How the text of a field is read: `expression`, `template`, or `shell` (a template whose values are quoted)."""

    kind: TextKind


def _check_template(text: str) -> str:
    try:
        parse_template(text)
    except ExpressionError as error:
        raise ValueError(str(error)) from error
    return text


def _check_expression(text: str) -> str:
    try:
        parse_expression(text)
    except ExpressionError as error:
        raise ValueError(str(error)) from error
    return text


def _check_nested(value: Any) -> Any:
    if isinstance(value, str):
        return _check_template(value)
    if isinstance(value, dict):
        return {key: _check_nested(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_check_nested(item) for item in value]
    return value


def _bare_expression(value: Any) -> Any:
    """`when: true` is as good as `when: "true"`."""
    return str(value).lower() if isinstance(value, bool) else value


Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=100)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}],
            "description": "Seconds, or a text such as 90s, 5m, 1h30m or PT1H30M.",
        }
    ),
]
Expression = Annotated[
    str, BeforeValidator(_bare_expression), Text("expression"), AfterValidator(_check_expression)
]
Template = Annotated[str, Text("template"), AfterValidator(_check_template)]
ShellTemplate = Annotated[str, Text("shell"), AfterValidator(_check_template)]
Nested = Annotated[Any, Text("template"), AfterValidator(_check_nested)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[
    int | str,
    Field(description="A number, or a percentage such as 25%."),
]
