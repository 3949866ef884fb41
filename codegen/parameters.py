"""A document's parameters: their declaration, and the check of the values handed to a run."""

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from codegen.errors import ParameterError, Problem
from codegen.fields import Model

ParameterType = Literal["string", "integer", "number", "boolean", "array", "object"]

PYTHON_TYPES: dict[ParameterType, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Parameter(Model):
    """One parameter, in the words of JSON Schema. Without a default it is required."""

    type: ParameterType = "string"
    default: Any = None
    enum: tuple[Any, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    description: str = ""
    secret: bool = False

    @property
    def required(self) -> bool:
        """Whether a run must bring a value."""
        return "default" not in self.model_fields_set

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.pattern is not None:
            try:
                re.compile(self.pattern)
            except re.error as error:
                raise ValueError(f"pattern {self.pattern!r} is no regular expression: {error}") from error
        if not self.required and self.default is not None and (reason := self.refusal(self.default)):
            raise ValueError(f"default {reason}")
        return self

    def refusal(self, value: Any) -> str | None:
        """Why a value is refused (`80.5 is no integer`), or None."""
        allowed = PYTHON_TYPES[self.type]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            return f"{value!r:.80} is no {self.type}"
        if self.enum is not None and value not in self.enum:
            return f"{value!r:.80} is none of {', '.join(map(repr, self.enum))}"
        if self.minimum is not None and isinstance(value, int | float) and value < self.minimum:
            return f"{value!r} is below the minimum {self.minimum:g}"
        if self.maximum is not None and isinstance(value, int | float) and value > self.maximum:
            return f"{value!r} is above the maximum {self.maximum:g}"
        if self.pattern is not None and isinstance(value, str) and not re.fullmatch(self.pattern, value):
            return f"{value!r:.80} doesn't match the pattern {self.pattern!r}"
        return None


def check_values(declared: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a run, defaults filled in; ParameterError lists everything that doesn't fit."""
    problems = [
        Problem(f"parameters.{name}", "the document has no such parameter", f"it has: {_names(declared)}")
        for name in given
        if name not in declared
    ]
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        if name not in given:
            if parameter.required:
                problems.append(
                    Problem(f"parameters.{name}", "a value is required", f"give one: -p {name}=...")
                )
            values[name] = parameter.default
        elif reason := parameter.refusal(given[name]):
            problems.append(Problem(f"parameters.{name}", reason, _cure(parameter)))
        else:
            values[name] = given[name]
    if problems:
        raise ParameterError(problems)
    return values


def _names(declared: Mapping[str, Parameter]) -> str:
    return ", ".join(declared) or "none"


def _cure(parameter: Parameter) -> str:
    return f"it is {parameter.type}{': ' + parameter.description if parameter.description else ''}"
