"""A document's parameters: their declaration, and the check of the values handed to a run."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from codegen.errors import ParameterError, Problem
from codegen.fields import Flaw, FlawedError, Model
from codegen.limits import unfit
from codegen.paths import written
from codegen.sandbox.errors import Refusal
from codegen.sandbox.limits import Budget
from codegen.sandbox.patterns import Pattern, compile_pattern
from codegen.scalars import scalar_text
from codegen.secret_use import NAME
from codegen.suggestions import Suggestions

ParameterType = Literal["string", "integer", "number", "boolean", "array", "object"]

PYTHON_TYPES: dict[ParameterType, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
}
_ARTICLES: dict[ParameterType, str] = {"integer": "an", "array": "an", "object": "an"}
_SECRETS_NAME = "the name of a secret (lower-case letters, digits and _)"


class Parameter(Model):
    """One parameter, in the words of JSON Schema. Without a default it is required.

    A `pattern` has to fit the whole value; it is matched in time that grows with the value's length only.
    The value of a `secret` one is the name of a secret, never the secret itself; `enum` and `pattern` say
    which names.
    """

    type: ParameterType = "string"
    default: Any = None
    enum: tuple[Any, ...] | None = Field(default=None, min_length=1)
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    description: str = Field(default="", max_length=20_000)
    secret: bool = False

    @property
    def required(self) -> bool:
        """Whether a run must bring a value."""
        return "default" not in self.model_fields_set

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if flaws := list(self._flaws()):
            raise FlawedError(*flaws)
        return self

    def refusal(self, value: Any) -> str | None:
        """Why a value is refused (`80.5 is no integer`), or None."""
        # Somebody may give the secret where its name is asked for.
        shown = "the value" if self.secret else _shown(value)
        if not self._has_type(value):
            return f"{shown} is no {self.type}"
        if reason := unfit(value):
            return reason
        if self.secret and NAME.fullmatch(value) is None:
            return f"{shown} is no name of a secret"
        if self.enum is not None and value not in self.enum:
            return f"{shown} is none of {', '.join(map(_shown, self.enum))}"
        return self._out_of_bounds(value, shown)

    def _flaws(self) -> Iterator[Flaw]:
        if self.secret and self.type != "string":
            yield Flaw(("type",), f"a secret is a text, no {self.type}", "write type: string")
            return
        if self.pattern is not None:
            try:
                _whole(self.pattern)
            except Refusal as refusal:
                yield Flaw(("pattern",), refusal.problem, refusal.cure)
                return
        bounds = {"minimum": self.minimum, "maximum": self.maximum, "pattern": self.pattern}
        for key, bound in bounds.items():
            if bound is not None and self.type not in _bounded_by(key):
                yield Flaw(
                    (key,), f"{key} means nothing for type {self.type}", f"say type: {_bounded_by(key)[-1]}"
                )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            yield Flaw(("minimum",), "minimum is above maximum", "exchange them")
        for index, choice in enumerate(self.enum or ()):
            if not self._has_type(choice):
                yield Flaw(("enum", index), f"{_shown(choice)} is no {self.type}", "give choices of the type")
            elif self.secret and NAME.fullmatch(choice) is None:
                yield Flaw(("enum", index), "this is no name of a secret", f"write {_SECRETS_NAME}")
        if self.required:
            return
        if self.default is None:
            what = "name of a secret" if self.secret else self.type
            cure = f"leave default out to make the parameter required, or write {self.expected}"
            yield Flaw(("default",), f"null is no {what}", cure)
        elif reason := self.refusal(self.default):
            yield Flaw(("default",), reason, f"write {self.expected}, or another type")

    @property
    def expected(self) -> str:
        """What a value must be: `an integer from 1 to 5`, `one of 'fast', 'slow'`."""
        if self.enum is not None:
            return f"one of {', '.join(map(_shown, self.enum)):.300}"
        bounds = [f"from {self.minimum:g}"] if self.minimum is not None else []
        bounds += [f"to {self.maximum:g}"] if self.maximum is not None else []
        pattern = [f"that matches {self.pattern:.200}"] if self.pattern is not None else []
        kind = _SECRETS_NAME if self.secret else f"{_ARTICLES.get(self.type, 'a')} {self.type}"
        return " ".join([kind, *bounds, *pattern])

    def _has_type(self, value: Any) -> bool:
        allowed = PYTHON_TYPES[self.type]
        return isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool))

    def _out_of_bounds(self, value: Any, shown: str) -> str | None:
        if isinstance(value, int | float):
            if self.minimum is not None and value < self.minimum:
                return f"{shown} is below the minimum {self.minimum:g}"
            if self.maximum is not None and value > self.maximum:
                return f"{shown} is above the maximum {self.maximum:g}"
        if self.pattern is None or not isinstance(value, str):
            return None
        try:
            fits = _whole(self.pattern).match(Budget(), value)
        except Refusal as refusal:
            return f"{shown} can't be compared with the pattern: {refusal.problem}"
        return None if fits else f"{shown} doesn't match the pattern {self.pattern}"


def check_values(declared: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a run, defaults filled in; ParameterError lists everything that doesn't fit."""
    suggestions = Suggestions()
    problems = [
        Problem(
            written(("parameters", name)), "no such parameter", suggestions.cure(name, declared, "there are")
        )
        for name in given
        if name not in declared
    ]
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        if name not in given:
            if parameter.required:
                what = "the name of a secret" if parameter.secret else "one"
                problems.append(
                    Problem(f"parameters.{name}", "a value is required", f"give {what}: -p {name}=...")
                )
            values[name] = parameter.default
        elif reason := parameter.refusal(given[name]):
            problems.append(Problem(f"parameters.{name}", reason, _cure(parameter)))
        else:
            values[name] = given[name]
    if problems:
        raise ParameterError(problems)
    return values


def secret_parameters(declared: Mapping[str, Parameter]) -> frozenset[str]:
    """Those whose value is the name of a secret."""
    return frozenset(name for name, parameter in declared.items() if parameter.secret)


def _shown(value: Any) -> str:
    """A value as documents write it."""
    return scalar_text(value) if value is None or isinstance(value, bool) else f"{value!r:.80}"


def _bounded_by(key: str) -> tuple[ParameterType, ...]:
    return ("string",) if key == "pattern" else ("number", "integer")


@lru_cache(maxsize=256)
def _whole(pattern: str) -> Pattern:
    """The pattern, made to fit a whole value; flags have to stay at its beginning."""
    compile_pattern(pattern)
    flags, rest = "", pattern
    while rest.startswith("(?") and rest[2:3] in ("a", "i", "m", "s") and ")" in rest:
        end = rest.index(")") + 1
        flags, rest = flags + rest[:end], rest[end:]
    return compile_pattern(rf"{flags}(?:{rest})\Z")


def _cure(parameter: Parameter) -> str:
    about = f": {parameter.description:.200}" if parameter.description else ""
    return f"give {parameter.expected}{about}"
