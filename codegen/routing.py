"""Routing: which engine runs a document, and why."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import get_args

from codegen.capability import Reason, able
from codegen.complexity import Amounts, measure
from codegen.deciding.rules import first_match
from codegen.deciding.stages import Case, Choice, Wish, choose
from codegen.deciding.verdict import confidence, judge
from codegen.deciding.whatif import smallest_change
from codegen.decision import ENGINES, Decision, EngineName, Rejection
from codegen.errors import RoutingError
from codegen.policy import RoutingPolicy
from codegen.workflow import EnginePreference, Workflow

DEFAULT_POLICY = RoutingPolicy()
Available = Collection[str] | Mapping[str, str]


def decide(
    workflow: Workflow,
    *,
    policy: RoutingPolicy = DEFAULT_POLICY,
    engine_preference: EnginePreference = "auto",
    force_engine: bool = False,
    available: Available = frozenset(ENGINES),
) -> Decision:
    """The engine for a checked document, and why.

    `available` holds the engines that can be reached, or maps each that can't to the reason. A preference
    of `auto` leaves it to the document's `engine`. RoutingError where no engine can run it as asked.
    """
    complexity = measure(workflow)
    verdict = judge(complexity.amounts, policy)
    case = Case(
        verdict=verdict,
        wish=_wish(workflow, engine_preference, force_engine),
        rule=first_match(policy, workflow, complexity.amounts.leaves, verdict.level),
        unable={engine: _cannot(reasons) for engine, reasons in able(workflow).items() if reasons},
        away=_away(available),
    )
    choice = choose(case)
    return Decision(
        engine=choice.engine,
        reason=choice.reason,
        level=verdict.level,
        score=verdict.score,
        factors=complexity.factors(policy.weights),
        confidence=confidence(verdict, policy) if choice.stage == "score" else 1.0,
        rejected=tuple(
            Rejection(engine=engine, reason=case.barred(engine) or choice.other)
            for engine in ENGINES
            if engine != choice.engine
        ),
        would_change=_would_change(case, choice, complexity.amounts, policy),
        stage=choice.stage,
        preferred=case.wish.engine,
        forced=choice.stage == "force",
        policy_rule=case.rule.name if case.rule and choice.stage == "policy" else None,
    )


def _wish(workflow: Workflow, preference: EnginePreference, force: bool) -> Wish:
    if preference not in get_args(EnginePreference):
        raise RoutingError(f"engine_preference {preference!r} is unknown; use auto, celery or prefect")
    if preference != "auto":
        return Wish(preference, force, "the caller")
    own = workflow.engine
    if own.prefer == "auto" and force:
        raise RoutingError(
            "force_engine needs an engine to force; set engine_preference to celery or prefect"
        )
    if own.prefer == "auto" and own.force:
        raise RoutingError("engine.force needs an engine to force; set engine.prefer to celery or prefect")
    return Wish(own.prefer, force or own.force, "the document")


def _cannot(reasons: tuple[Reason, ...]) -> str:
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f"can't honour {reasons[0]}{more}"


def _away(available: Available) -> dict[EngineName, str]:
    unknown = sorted(set(available) - set(ENGINES))
    if unknown:
        raise RoutingError(
            f"available names the unknown engine {unknown[0]!r}; engines are celery and prefect"
        )
    if isinstance(available, Mapping):
        return {
            engine: f"can't be reached ({available[engine]})" for engine in ENGINES if engine in available
        }
    return {engine: "can't be reached" for engine in ENGINES if engine not in available}


def _would_change(case: Case, choice: Choice, amounts: Amounts, policy: RoutingPolicy) -> str:
    """What would have led to the other engine: an edit where the score decided, else what settled it."""
    anybody = replace(case, wish=Wish("auto", False, ""))
    match choice.stage:
        case "score":
            return smallest_change(amounts, policy, case.verdict)
        case "preference":
            return _otherwise("Without that preference", choice, anybody)
        case "policy":
            return _otherwise("Without that rule", choice, replace(case, rule=None))
        case "force":
            return _otherwise("Without that force", choice, replace(anybody, away={}))
    other = next(engine for engine in ENGINES if engine != choice.engine)
    lacking = "honour all of it" if other in case.unable else "be reached"
    return _otherwise(f"Could {other.capitalize()} {lacking},", choice, replace(case, unable={}, away={}))


def _otherwise(condition: str, choice: Choice, case: Case) -> str:
    free = choose(case)
    as_well = " as well" if free.engine == choice.engine else ""
    return f"{condition} it would run on {free.engine.capitalize()}{as_well}: {free.reason}"
