"""A routing decision: which engine runs a document, why, and what would have changed it."""

from typing import Literal

from codegen.fields import Model

EngineName = Literal["celery", "prefect"]
Level = Literal["simple", "moderate", "complex", "advanced"]
FactorName = Literal[
    "step_count",
    "dependency_complexity",
    "parallel_execution",
    "conditional_logic",
    "error_handling",
    "advanced_features",
]
Stage = Literal["capability", "force", "policy", "preference", "score"]

ENGINES: tuple[EngineName, ...] = ("celery", "prefect")


class FactorScore(Model):
    """One of the six factors: a score of 0..1, its share of the total, and what it was computed from."""

    name: FactorName
    score: float
    weight: float
    contribution: float
    basis: str


class Rejection(Model):
    """An engine that was not chosen, and why."""

    engine: EngineName
    reason: str


class Decision(Model):
    """The engine for one document.

    `stage` is what settled it. `confidence` is 0..1: how far the score is from the threshold where the
    engine would change, 1.0 where no score would change it. `would_change` is the smallest change that
    would have led to the other engine.
    """

    engine: EngineName
    reason: str
    level: Level
    score: float
    factors: tuple[FactorScore, ...]
    confidence: float
    rejected: tuple[Rejection, ...] = ()
    would_change: str
    stage: Stage
    preferred: Literal["auto", "celery", "prefect"] = "auto"
    forced: bool = False
    policy_rule: str | None = None
