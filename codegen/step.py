"""What every step can say: order, conditions, fan-out, attempts, failure handling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from codegen.fields import (
    Duration,
    Expression,
    Flaw,
    FlawedError,
    Identifier,
    Model,
    Nested,
    Positive,
    Share,
    Template,
)

if TYPE_CHECKING:
    from codegen.groups import Step

RunIf = Literal["succeeded", "failed", "finished"]
Join = Literal["all", "any"] | Positive
Risk = Literal["low", "medium", "high", "critical"]


# Prefect refuses a longer list of delays; the last one holds for all tries that follow, on both engines.
MOST_DELAYS = 50
JITTER = 0.5
"""By which part a delay varies, either way."""


class Retry(Model):
    """How often and how soon a failed step is tried again. `attempts` counts tries, the first included."""

    attempts: Positive = Field(default=3, le=1000)
    delay: Duration = 1.0
    backoff: float = Field(default=1.0, ge=1, le=100)
    max_delay: Duration | None = None
    jitter: bool = False

    def delay_before(self, attempt: int) -> float:
        """Seconds between try `attempt - 1` and try `attempt` (2, 3, ...), without jitter."""
        longest = 86400.0 if self.max_delay is None else self.max_delay
        return min(self.delay * self.backoff ** min(attempt - 2, MOST_DELAYS - 1), longest)


class Repeat(Model):
    """The step again, until or while an expression is true, `max` times at most."""

    until: Expression | None = None
    while_: Expression | None = Field(default=None, alias="while")
    max: Positive
    delay: Duration = 0.0

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if (self.until is None) == (self.while_ is None):
            raise FlawedError(Flaw((), "repeat needs either until or while", "write one of the two"))
        return self


class Rollout(Model):
    """How a change moves over a fleet."""

    canary: Share | None = None
    batch: Share | None = None
    max_failures: Share = 0
    pause: Duration = 0.0
    health: Identifier | None = None


class StepBase(Model):
    """The keys that every step has."""

    id: Identifier
    description: str = Field(default="", max_length=20_000)
    depends_on: tuple[Identifier, ...] | None = None
    enabled: bool = True
    join: Join = "all"
    run_if: RunIf = "succeeded"
    when: Expression | None = None
    on: Template | None = None
    repeat: Repeat | None = None
    for_each: tuple[Nested, ...] | Expression | None = None
    max_parallel: Positive | None = None
    rollout: Rollout | None = None
    retry: Retry | None = None
    timeout: Duration | None = None
    failed_when: Expression | None = None
    succeeded_when: Expression | None = None
    outputs: dict[Identifier, Template] = Field(default_factory=dict)
    continue_on_error: bool = False
    on_error: OnError | None = None
    rollback: tuple[Step, ...] = ()
    idempotent: bool = True
    requires_approval: bool = False
    risk: Risk | None = None
    effects: Literal["read", "change", "destructive"] | None = None


class OnError(Model):
    """Handler steps for one step's failure."""

    steps: tuple[Step, ...] = Field(min_length=1)
    when: Expression | None = None
    recover: bool = False
