"""Which engine a document goes to, and which stage settles it."""

from collections.abc import Callable
from typing import Any

import pytest

from codegen.errors import RoutingError
from codegen.policy import RoutingPolicy
from codegen.routing import decide
from codegen.workflow import Workflow
from tests.unit import reference_documents as documents
from tests.unit.random_documents import step, workflow
from tests.unit.reference_documents import beside, chain, layers

EMIT = {"id": "e", "type": "emit", "event": "done"}


def policy(**keys: Any) -> RoutingPolicy:
    """A policy from plain data."""
    return RoutingPolicy.parse(keys)


def rule(engine: str, **when: Any) -> RoutingPolicy:
    """A policy of one rule named `house`."""
    return policy(rules=[{"name": "house", "when": when, "engine": engine, "reason": "We say so."}])


@pytest.mark.parametrize(
    ("make", "level", "engine"),
    [
        (lambda: chain(1), "simple", "celery"),
        (documents.disk_check, "simple", "celery"),
        (documents.log_cleanup, "simple", "celery"),
        (documents.tls_expiry, "simple", "celery"),
        (documents.backup, "simple", "celery"),
        (documents.rolling_restart, "moderate", "prefect"),
        (documents.triage, "moderate", "prefect"),
        (documents.build_out, "complex", "prefect"),
        (documents.everything, "advanced", "prefect"),
        (lambda: workflow(layers(3, 3)), "simple", "celery"),
        (lambda: workflow(layers(4, 4)), "moderate", "prefect"),
        (lambda: chain(10), "simple", "celery"),
        (lambda: chain(30), "moderate", "celery"),
        (lambda: chain(1_000), "moderate", "celery"),
    ],
)
def test_reference_documents_go_where_people_expect_them(
    make: Callable[[], Workflow], level: str, engine: str
) -> None:
    """The table that weights, curves and thresholds are tuned to."""
    decision = decide(make())
    assert (decision.level, decision.engine, decision.stage) == (level, engine, "score")


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"when": "params.x"}, "conditional"),
        ({"for_each": [1, 2]}, "parallel"),
        ({"rollout": {"canary": 1}}, "advanced"),
    ],
)
def test_a_moderate_document_goes_to_prefect_for_its_parts(keys: Any, part: str) -> None:
    """One conditional, parallel or advanced part is enough at that level, and is named."""
    steps = [step(f"s{n}") for n in range(30)]
    assert decide(workflow(steps)).engine == "celery"
    decision = decide(workflow([*steps[:-1], step("s29", **keys)]))
    assert (decision.engine, decision.level) == ("prefect", "moderate")
    assert f"with {part} parts" in decision.reason


@pytest.mark.parametrize("preference", ["auto", "celery"])
def test_an_engine_that_cannot_honour_a_construct_is_never_chosen(preference: Any) -> None:
    """Whatever anyone prefers; the decision says which construct stood in the way."""
    decision = decide(workflow([step("a"), EMIT]), engine_preference=preference)
    assert (decision.engine, decision.stage) == ("prefect", "capability")
    assert "'emit' at steps[1].type" in decision.reason
    assert "'emit' at steps[1].type" in decision.rejected[0].reason


def test_no_rule_sends_a_document_to_an_engine_that_cannot_honour_it() -> None:
    """Capability comes before policy."""
    decision = decide(workflow([EMIT]), policy=rule("celery"))
    assert (decision.engine, decision.stage, decision.policy_rule) == ("prefect", "capability", None)


def test_force_does_not_overrule_capability() -> None:
    """A forced engine that can't honour a construct is an error naming the construct."""
    with pytest.raises(RoutingError, match=r"Celery was forced by the caller.*'emit' at steps\[0\]\.type"):
        decide(workflow([EMIT]), engine_preference="celery", force_engine=True)


@pytest.mark.parametrize("engine", ["celery", "prefect"])
def test_force_overrules_policy_and_score(engine: Any) -> None:
    """In both directions."""
    other = "prefect" if engine == "celery" else "celery"
    for make in (documents.disk_check, documents.build_out):
        decision = decide(make(), policy=rule(other), engine_preference=engine, force_engine=True)
        assert (decision.engine, decision.stage, decision.forced) == (engine, "force", True)
        assert (decision.confidence, decision.policy_rule) == (1.0, None)
        assert decision.would_change == (
            f"Without that force it would run on {other.capitalize()}: The policy rule 'house' sends it to "
            f"{other.capitalize()}: We say so."
        )


def test_a_rule_overrules_preference_and_score() -> None:
    """The decision names the rule and gives its reason."""
    decision = decide(
        documents.disk_check(), policy=rule("prefect", type="custom"), engine_preference="celery"
    )
    assert (decision.engine, decision.stage, decision.policy_rule) == ("prefect", "policy", "house")
    assert decision.reason == "The policy rule 'house' sends it to Prefect: We say so."
    assert decision.would_change == (
        "Without that rule it would run on Celery: Celery was preferred by the caller."
    )


def test_a_preference_overrules_the_score() -> None:
    """In both directions, and it is no force."""
    for make, engine, other in (
        (documents.disk_check, "prefect", "Celery"),
        (documents.build_out, "celery", "Prefect"),
    ):
        decision = decide(make(), engine_preference=engine)  # type: ignore[arg-type]
        assert (decision.engine, decision.stage, decision.forced) == (engine, "preference", False)
        assert decision.would_change.startswith(f"Without that preference it would run on {other}:")


def test_a_preference_for_what_the_score_chooses_changes_nothing() -> None:
    """The decision says that the engine would be the same."""
    decision = decide(documents.disk_check(), engine_preference="celery")
    assert "it would run on Celery as well" in decision.would_change


@pytest.mark.parametrize(
    ("engine", "preference", "force", "expected"),
    [
        ({"prefer": "prefect"}, "auto", False, ("prefect", "preference", "prefect")),
        ({"prefer": "prefect", "force": True}, "auto", False, ("prefect", "force", "prefect")),
        ({"prefer": "prefect"}, "auto", True, ("prefect", "force", "prefect")),
        ({"prefer": "prefect", "force": True}, "celery", False, ("celery", "preference", "celery")),
        ({"prefer": "celery"}, "prefect", True, ("prefect", "force", "prefect")),
        ({}, "auto", False, ("celery", "score", "auto")),
    ],
)
def test_the_caller_comes_before_the_document(
    engine: Any, preference: Any, force: bool, expected: tuple[str, str, str]
) -> None:
    """The document's own wish counts where the caller has none."""
    document = workflow([step("a")], engine=engine)
    decision = decide(document, engine_preference=preference, force_engine=force)
    assert (decision.engine, decision.stage, decision.preferred) == expected


def test_an_engine_that_is_away_is_replaced_by_one_that_can() -> None:
    """Even for a preference; the reason given is passed on."""
    for preference in ("auto", "prefect"):
        decision = decide(
            documents.build_out(),
            engine_preference=preference,
            available={"prefect": "connection refused"},
        )
        assert (decision.engine, decision.stage) == ("celery", "capability")
        assert decision.reason == "Only Celery can run it: Prefect can't be reached (connection refused)."
        assert decision.would_change.startswith("Could Prefect be reached, it would run on Prefect:")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"force_engine": True}, "force_engine needs an engine to force; set engine_preference"),
        ({"engine_preference": "spark"}, "engine_preference 'spark' is unknown; use auto, celery or prefect"),
        ({"available": set()}, "no engine can run this document: Celery can't be reached; Prefect can't be"),
        ({"available": {"prefcet": "typo"}}, "unknown engine 'prefcet'"),
        (
            {"engine_preference": "prefect", "force_engine": True, "available": {"celery"}},
            "Prefect was forced by the caller, but can't be reached; start it",
        ),
        (
            {"policy": rule("prefect"), "available": {"prefect": "refused"}},
            r"the policy rule 'house' sends this document to Prefect, which can't be reached \(refused\)",
        ),
    ],
)
def test_what_cannot_be_decided_is_refused_with_a_cure(keys: Any, message: str) -> None:
    """An operator's rule is not dropped because its engine is away, and a force needs an engine."""
    with pytest.raises(RoutingError, match=message):
        decide(documents.disk_check(), **keys)


def test_a_document_that_forces_no_engine_is_refused() -> None:
    """`engine.force` needs `engine.prefer`."""
    with pytest.raises(RoutingError, match=r"set engine\.prefer"):
        decide(workflow([step("a")], engine={"force": True}))


def test_force_to_celery_works_while_prefect_is_away_and_a_rule_wants_it() -> None:
    """The way out that the refusal names."""
    decision = decide(
        documents.disk_check(),
        policy=rule("prefect"),
        engine_preference="celery",
        force_engine=True,
        available={"celery"},
    )
    assert decision.engine == "celery"
    assert "sends it to Prefect" in decision.would_change


@pytest.mark.parametrize(
    ("make", "turn"),
    [
        (documents.disk_check, 0.3),
        (documents.triage, 0.3),
        (documents.everything, 0.3),
        (lambda: chain(30), 0.6),
    ],
)
def test_confidence_is_the_distance_to_where_the_engine_changes(
    make: Callable[[], Workflow], turn: float
) -> None:
    """That is the first threshold with special parts, else the second; as a share of what is possible."""
    decision = decide(make())
    span = turn if decision.score <= turn else 1 - turn
    assert decision.confidence == pytest.approx(abs(decision.score - turn) / span, abs=1e-4)


def test_the_weights_of_the_policy_count() -> None:
    """With all weight on one factor the score is that factor's."""
    only = dict.fromkeys(RoutingPolicy().weights.model_dump(), 0.0) | {"step_count": 1.0}
    decision = decide(chain(12), policy=policy(weights=only))
    assert decision.score == pytest.approx(0.5)
    assert [factor.contribution for factor in decision.factors] == [0.5, 0, 0, 0, 0, 0]


def test_a_score_on_a_threshold_has_the_lower_level() -> None:
    """A level reaches up to its threshold and includes it."""
    only = dict.fromkeys(RoutingPolicy().weights.model_dump(), 0.0) | {"step_count": 1.0}
    assert decide(chain(12), policy=policy(weights=only, thresholds={"simple": 0.5})).level == "simple"
    assert decide(chain(13), policy=policy(weights=only, thresholds={"simple": 0.5})).level == "moderate"


def test_equal_documents_get_equal_decisions() -> None:
    """A decision depends on nothing but what it is given."""
    assert decide(documents.triage()) == decide(documents.triage())


def test_targets_count_in_the_decision() -> None:
    """A run against more targets is a larger run."""
    document = workflow([step("a", on="targets"), step("b", on="targets")])
    few, many = (
        decide(document.model_copy(update={"targets": tuple(map(str, range(count)))})) for count in (2, 60)
    )
    assert (few.level, many.level) == ("simple", "moderate")


def test_a_join_makes_the_whole_wait() -> None:
    """Parallel groups in a row order more than the same steps in rows side by side."""
    joined = decide(workflow(layers(3, 3)))
    rows = [
        {"id": f"r{row}", "type": "sequential", "steps": [step(f"s{row}_{n}") for n in range(3)]}
        for row in range(3)
    ]
    apart = decide(workflow([beside("g", *rows)]))
    assert joined.score > apart.score
