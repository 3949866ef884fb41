"""The value types of the document: identifiers, durations, templates and expressions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic import BaseModel as PydanticModel

from codegen.durations import LONGEST, PATTERN, parse_duration
from codegen.expressions import ExpressionError
from codegen.mentions import of_expression, of_template
from codegen.paths import Path


class Model(PydanticModel):
    """Frozen and closed: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


TextKind = Literal["expression", "template", "shell"]


@dataclass(frozen=True, slots=True)
class Text:
    """How the text of a field is read. `shell` is a template whose values are quoted."""

    kind: TextKind


class Flaw(NamedTuple):
    """A mistake inside a value: its path there, what it is, and what mends it."""

    path: Path
    message: str
    cure: str = ""


class FlawedError(ValueError):
    """A value with mistakes in it."""

    def __init__(self, *flaws: Flaw) -> None:
        self.flaws = flaws
        super().__init__("\n".join(f"{flaw.message} ({flaw.cure})" for flaw in flaws))


def _check_template(text: str) -> str:
    try:
        of_template(text)
    except ExpressionError as error:
        raise FlawedError(_flaw(error)) from error
    return text


def _check_expression(text: str) -> str:
    try:
        of_expression(text)
    except ExpressionError as error:
        raise FlawedError(_flaw(error)) from error
    return text


def _flaw(error: ExpressionError, path: Path = ()) -> Flaw:
    line = f"line {error.line} of the text: " if error.line and "\n" in error.text.strip() else ""
    return Flaw(path, f"{line}{error.problem}", error.cure)


def _check_nested(value: Any) -> Any:
    if found := list(_bad_templates(value, ())):
        raise FlawedError(*found)
    return value


def _bad_templates(value: Any, path: Path) -> Iterator[Flaw]:
    if isinstance(value, str):
        try:
            of_template(value)
        except ExpressionError as error:
            yield _flaw(error, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _bad_templates(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _bad_templates(item, (*path, index))


def _bare_expression(value: Any) -> Any:
    """`when: true` is as good as `when: "true"`."""
    return str(value).lower() if isinstance(value, bool) else value


def _integer_as_text(value: Any) -> Any:
    """`PORT: 8080` is as good as `PORT: "8080"`; other numbers have more than one spelling."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_not_blank(text: str) -> str:
    if not text.strip():
        raise FlawedError(Flaw((), "it is empty", "write a text"))
    return text


NotBlank = AfterValidator(_check_not_blank)
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=100)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=20_000), NotBlank]
DocumentName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$", max_length=200
    ),
]
QueueName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=100)]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": LONGEST},
                {"type": "string", "pattern": PATTERN},
            ],
        }
    ),
]
Expression = Annotated[
    str,
    BeforeValidator(_bare_expression),
    Text("expression"),
    AfterValidator(_check_expression),
    WithJsonSchema({"type": ["string", "boolean"]}),
]
Template = Annotated[str, Text("template"), AfterValidator(_check_template)]
Argument = Annotated[
    str,
    BeforeValidator(_integer_as_text),
    Text("template"),
    AfterValidator(_check_template),
    WithJsonSchema({"type": ["string", "integer"]}),
]
ShellTemplate = Annotated[str, Text("shell"), AfterValidator(_check_template)]
Nested = Annotated[Any, Text("template"), AfterValidator(_check_nested)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[int, Field(ge=0)] | Annotated[str, StringConstraints(pattern=r"^(100|[1-9]?[0-9])%$")]
