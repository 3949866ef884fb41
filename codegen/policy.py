"""The routing policy: weights, thresholds and rules that an operator can set. The defaults need no policy."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from codegen.decision import EngineName, Level
from codegen.errors import PolicyError, Problem
from codegen.fields import Model, Positive
from codegen.paths import written
from codegen.step import Risk
from codegen.workflow import WorkflowType


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Share = Annotated[float, Field(ge=0, le=1)]
Types = Annotated[tuple[WorkflowType, ...], BeforeValidator(_one_or_more)]
Tags = Annotated[tuple[str, ...], BeforeValidator(_one_or_more)]
Risks = Annotated[tuple[Risk, ...], BeforeValidator(_one_or_more)]
Effects = Annotated[tuple[Literal["read", "change", "destructive"], ...], BeforeValidator(_one_or_more)]
Levels = Annotated[tuple[Level, ...], BeforeValidator(_one_or_more)]


class Weights(Model):
    """What each factor counts in the score; together 1."""

    step_count: Share = 0.20
    dependency_complexity: Share = 0.25
    parallel_execution: Share = 0.15
    conditional_logic: Share = 0.15
    error_handling: Share = 0.10
    advanced_features: Share = 0.15

    @property
    def in_order(self) -> tuple[float, ...]:
        """The six weights in the order above."""
        return tuple(weight for _, weight in self)

    @model_validator(mode="after")
    def _sum_is_one(self) -> Self:
        total = sum(self.in_order)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the weights sum to {total:g}; change them so that they sum to 1")
        return self


class Thresholds(Model):
    """The highest score of each level; above `complex` a document is advanced."""

    simple: Share = 0.30
    moderate: Share = 0.60
    complex: Share = 0.80

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.simple < self.moderate < self.complex:
            raise ValueError(
                f"the thresholds {self.simple:g}, {self.moderate:g}, {self.complex:g} do not rise; "
                "let simple be below moderate, and moderate below complex"
            )
        return self


class Match(Model):
    """What a document must be for a rule to apply: every key given must fit, one value of its list is enough.

    `risk` and `effects` look at the document and all its steps, `min_steps` counts leaf steps with
    fan-out. Without any key the rule applies to every document.
    """

    type: Types | None = None
    tags: Tags | None = None
    risk: Risks | None = None
    effects: Effects | None = None
    level: Levels | None = None
    min_steps: Positive | None = None


class Rule(Model):
    """Sends matching documents to one engine."""

    name: str = Field(min_length=1, max_length=200)
    when: Match = Match()
    engine: EngineName
    reason: str = Field(default="", max_length=2_000)


class RoutingPolicy(Model):
    """Weights, thresholds and rules; the first rule that matches wins over preference and score."""

    weights: Weights = Weights()
    thresholds: Thresholds = Thresholds()
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two rules are named {name!r}; give each its own name")
        return self

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A policy from plain data; PolicyError lists everything that is wrong with it."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise PolicyError(
                Problem(written(item["loc"]), item["msg"].removeprefix("Value error, "))
                for item in error.errors(include_url=False, include_context=False)
            ) from error

    def level(self, score: float) -> Level:
        """The level of a score of 0..1."""
        for level, highest in self.thresholds:
            if score <= highest:
                return level  # type: ignore[return-value]
        return "advanced"
