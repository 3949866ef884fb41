"""How complex a document is: six amounts counted in it, each turned into a score of 0..1.

A score is `amount / (amount + HALF)`: it grows with every step, condition or retry, is one half at `HALF`
and never levels off. No amount falls when a document gets a step, a branch or a retry. Nor does one fall
when it gets a dependency, with one exception that lies in the matter: a dependency between steps that
could run at once makes the document less parallel.

That is why dependencies are measured by the pairs of leaves in a fixed order. Dependencies can complete
any order to a plain chain, so what never falls is largest for a chain, and counts of edges or joins
beyond a chain would fall. A redundant dependency puts no new pair in order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegen.decision import FactorName, FactorScore
from codegen.policy import Weights
from codegen.scoring.basis import basis_of, chain_of
from codegen.scoring.features import features_of
from codegen.scoring.survey import survey
from codegen.workflow import Workflow

HALF: Mapping[FactorName, float] = {
    "step_count": 12,
    "dependency_complexity": 8,
    "parallel_execution": 4,
    "conditional_logic": 4,
    "error_handling": 4,
    "advanced_features": 2,
}


@dataclass(frozen=True, slots=True)
class Amounts:
    """What the score depends on; `main` of the `leaves` are no handler steps."""

    leaves: int
    main: int
    pairs: int
    width: int
    conditions: int
    safeguards: int
    advanced: int

    @property
    def parts(self) -> tuple[str, ...]:
        """What sends a moderate document to Prefect."""
        found = (("parallel", self.width > 1), ("conditional", self.conditions), ("advanced", self.advanced))
        return tuple(name for name, present in found if present)

    def scores(self) -> tuple[float, ...]:
        """The six factors in the order of `HALF`, each 0..1."""
        amounts = (
            self.leaves,
            chain_of(self.pairs) - 1,
            max(0, self.width - 1),
            self.conditions,
            self.safeguards,
            self.advanced,
        )
        return tuple(amount / (amount + half) for amount, half in zip(amounts, HALF.values(), strict=True))

    def score(self, weights: Sequence[float]) -> float:
        """The weighted sum; rounded, so that a threshold is met where it is met on paper."""
        return round(sum(weight * score for weight, score in zip(weights, self.scores(), strict=True)), 9)


@dataclass(frozen=True, slots=True)
class Complexity:
    """The amounts of a document, and in words what each factor was computed from."""

    amounts: Amounts
    basis: Mapping[FactorName, str]

    def factors(self, weights: Weights) -> tuple[FactorScore, ...]:
        """The six factors with their share of the score."""
        return tuple(
            FactorScore(
                name=name,
                score=round(score, 9),
                weight=weight,
                contribution=round(weight * score, 9),
                basis=self.basis[name],
            )
            for name, score, weight in zip(HALF, self.amounts.scores(), weights.in_order, strict=True)
        )


def measure(workflow: Workflow) -> Complexity:
    """Count what the score depends on; DocumentError where steps wait for each other in a circle."""
    main, whole = survey(workflow)
    features = features_of(workflow)
    amounts = Amounts(
        leaves=whole.leaves,
        main=main.leaves,
        pairs=whole.pairs,
        width=whole.width,
        conditions=features.conditions.total(),
        safeguards=features.safeguards.total(),
        advanced=features.advanced.total(),
    )
    return Complexity(amounts, basis_of(whole, features))
