"""What an operator changes about the routing."""

from typing import Any, Self

from prefect.blocks.core import Block
from pydantic import Field, model_validator

from codegen.errors import PolicyError
from codegen.policy import RoutingPolicy as Policy
from codegen.policy import Thresholds, Weights


class RoutingPolicy(Block):
    """Weights, thresholds and rules of the router.

    Example:
        RoutingPolicy(
            rules=[{"name": "careful", "when": {"effects": "destructive"}, "engine": "prefect"}]
        ).save("default")
    """

    _block_type_name = "Routing Policy"
    _block_type_slug = "routing-policy"
    _description = "Weights, thresholds and rules by which OpsConductor's router chooses an engine."

    weights: dict[str, float] = Field(
        default_factory=lambda: Weights().model_dump(),
        description="What each factor counts; the weights sum to 1.",
    )
    thresholds: dict[str, float] = Field(
        default_factory=lambda: Thresholds().model_dump(),
        description="The highest score that is still simple, moderate, complex.",
    )
    rules: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Such as {name, when: {effects: destructive}, engine: prefect}; the first to fit wins.",
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        try:
            self.get_policy()
        except PolicyError as error:
            raise ValueError(str(error)) from error
        return self

    def get_policy(self) -> Policy:
        """The policy as the router uses it."""
        return Policy.parse({"weights": self.weights, "thresholds": self.thresholds, "rules": self.rules})
