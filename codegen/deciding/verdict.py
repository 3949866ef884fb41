"""The engine that the score alone would choose."""

from dataclasses import dataclass

from codegen.complexity import Amounts
from codegen.decision import EngineName, Level
from codegen.policy import RoutingPolicy


@dataclass(frozen=True, slots=True)
class Verdict:
    """Score, level, the parts that count at a moderate level, and the engine they lead to."""

    score: float
    level: Level
    parts: tuple[str, ...]
    engine: EngineName

    @property
    def reason(self) -> str:
        """`A moderate document with parallel parts runs on Prefect (score 42.0 %).`"""
        article = "An" if self.level == "advanced" else "A"
        return (
            f"{article} {self.level} document{self.decisive_parts} runs on {self.engine.capitalize()} "
            f"(score {percent(self.score)})."
        )

    @property
    def decisive_parts(self) -> str:
        """` with parallel and advanced parts` at the level where parts decide, else nothing."""
        if self.level != "moderate":
            return ""
        if not self.parts:
            return " without parallel, conditional or advanced parts"
        return f" with {' and '.join(filter(None, (', '.join(self.parts[:-1]), self.parts[-1])))} parts"


def judge(amounts: Amounts, policy: RoutingPolicy) -> Verdict:
    """Simple runs on Celery, complex and advanced on Prefect, moderate where its parts belong."""
    score = amounts.score(policy.weights.in_order)
    level = policy.level(score)
    on_prefect = level in ("complex", "advanced") or (level == "moderate" and bool(amounts.parts))
    return Verdict(score, level, amounts.parts, "prefect" if on_prefect else "celery")


def turning_point(verdict: Verdict, policy: RoutingPolicy) -> float:
    """The highest score at which a document with these parts still runs on Celery."""
    return policy.thresholds.simple if verdict.parts else policy.thresholds.moderate


def confidence(verdict: Verdict, policy: RoutingPolicy) -> float:
    """How far the score is from where the engine changes, as a share of the farthest it can be: 0..1."""
    turn = turning_point(verdict, policy)
    span = turn if verdict.score <= turn else 1 - turn
    return round(abs(verdict.score - turn) / span, 4) if span else 0.0


def percent(share: float) -> str:
    """`42.0 %`."""
    return f"{share * 100:.1f} %"
