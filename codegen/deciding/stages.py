"""The stages of a routing decision, in their order: capability, force, policy, preference, score."""

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.deciding.verdict import Verdict
from codegen.decision import ENGINES, EngineName, Stage
from codegen.errors import RoutingError
from codegen.policy import Rule
from codegen.workflow import EnginePreference

_NOT_BY_SCORE: dict[EngineName, str] = {
    "celery": "runs simple documents, and moderate ones without parallel, conditional or advanced parts",
    "prefect": "is slower to start, which pays off for complex documents, and for moderate ones with "
    "parallel, conditional or advanced parts",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """The engine that `by` asked for, or `auto`."""

    engine: EnginePreference
    forced: bool
    by: str


@dataclass(frozen=True, slots=True)
class Case:
    """All that a choice depends on: which engines are unable or away, and why."""

    verdict: Verdict
    wish: Wish
    rule: Rule | None
    unable: Mapping[EngineName, str]
    away: Mapping[EngineName, str]

    def barred(self, engine: EngineName) -> str | None:
        """Why an engine is out of the question."""
        return self.unable.get(engine) or self.away.get(engine)


@dataclass(frozen=True, slots=True)
class Choice:
    """What one stage decided, and why the other engine was left."""

    stage: Stage
    engine: EngineName
    reason: str
    other: str


def choose(case: Case) -> Choice:
    """The engine, from the first stage that has a say; RoutingError where none can run the document."""
    usable = [engine for engine in ENGINES if not case.barred(engine)]
    if not usable:
        reasons = "; ".join(f"{engine.capitalize()} {case.barred(engine)}" for engine in ENGINES)
        raise RoutingError(f"no engine can run this document: {reasons}")
    return _forced(case) or _only(case, usable) or _ruled(case) or _preferred(case) or _scored(case)


def _forced(case: Case) -> Choice | None:
    wish = case.wish
    if not wish.forced or wish.engine == "auto":
        return None
    what = f"{wish.engine.capitalize()} was forced by {wish.by}"
    if wish.engine in case.unable:
        raise RoutingError(
            f"{what}, but {case.unable[wish.engine]}; take that out, or let another engine run it"
        )
    if wish.engine in case.away:
        raise RoutingError(f"{what}, but {case.away[wish.engine]}; start it, or don't force it")
    return Choice("force", wish.engine, f"{what}.", what)


def _only(case: Case, usable: list[EngineName]) -> Choice | None:
    if len(usable) > 1:
        return None
    engine, other = usable[0], next(engine for engine in ENGINES if engine not in usable)
    rule = case.rule
    if rule is not None and rule.engine == other and other not in case.unable:
        raise RoutingError(
            f"the policy rule {rule.name!r} sends this document to {other.capitalize()}, which "
            f"{case.away[other]}; start it, or force {engine}"
        )
    why = case.barred(other) or ""
    return Choice(
        "capability", engine, f"Only {engine.capitalize()} can run it: {other.capitalize()} {why}.", why
    )


def _ruled(case: Case) -> Choice | None:
    rule = case.rule
    if rule is None:
        return None
    what = f"the policy rule {rule.name!r} sends it to {rule.engine.capitalize()}"
    because = f": {rule.reason.rstrip('.')}" if rule.reason else ""
    return Choice("policy", rule.engine, f"T{what[1:]}{because}.", what)


def _preferred(case: Case) -> Choice | None:
    wish = case.wish
    if wish.engine == "auto":
        return None
    what = f"{wish.engine.capitalize()} was preferred by {wish.by}"
    return Choice("preference", wish.engine, f"{what}.", what)


def _scored(case: Case) -> Choice:
    verdict = case.verdict
    other = next(engine for engine in ENGINES if engine != verdict.engine)
    return Choice("score", verdict.engine, verdict.reason, _NOT_BY_SCORE[other])
