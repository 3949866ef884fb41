"""A routing policy: what is refused, and which rule a document falls under."""

from typing import Any

import pytest
from pydantic import ValidationError

from codegen.deciding.rules import first_match
from codegen.errors import PolicyError
from codegen.policy import RoutingPolicy
from codegen.workflow import Workflow
from tests.unit.random_documents import step, workflow

WEIGHTS = RoutingPolicy().weights.model_dump()


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        ({"weights": WEIGHTS | {"step_count": 0.3}}, "weights", "the weights sum to 1.1; change them so"),
        ({"weights": {"step_count": 1.0}}, "weights", "the weights sum to 1.8"),
        ({"weights": WEIGHTS | {"steps": 0.0}}, "weights.steps", "Extra inputs"),
        ({"weights": WEIGHTS | {"step_count": -0.1}}, "weights.step_count", "greater than or equal to 0"),
        ({"thresholds": {"simple": 0.6}}, "thresholds", "0.6, 0.6, 0.8 do not rise; let simple be below"),
        ({"thresholds": {"complex": 1.5}}, "thresholds.complex", "less than or equal to 1"),
        ({"rules": [{"name": "a", "engine": "spark"}]}, "rules[0].engine", "'celery' or 'prefect'"),
        ({"rules": [{"name": "a", "engine": "celery", "when": {"typ": "x"}}]}, "rules[0].when.typ", "Extra"),
        (
            {"rules": [{"name": "a", "engine": "celery"}] * 2},
            "",
            "two rules are named 'a'; give each its own",
        ),
        ({"rules": [{"name": "a", "engine": "celery", "when": {"type": "x"}}]}, "rules[0].when.type[0]", ""),
    ],
)
def test_an_unusable_policy_is_refused(data: dict[str, Any], path: str, message: str) -> None:
    """The problem names the place, the value and the cure."""
    with pytest.raises(PolicyError) as caught:
        RoutingPolicy.parse(data)
    (problem,) = caught.value.problems
    assert problem.path == path
    assert message in problem.message


def test_all_problems_of_a_policy_are_told_at_once() -> None:
    """Nobody mends them one by one."""
    with pytest.raises(PolicyError) as caught:
        RoutingPolicy.parse({"weights": {"step_count": 1}, "thresholds": {"simple": 0.9}})
    assert [problem.path for problem in caught.value.problems] == ["weights", "thresholds"]


def test_the_models_refuse_without_parse_as_well() -> None:
    """A policy that exists is usable."""
    with pytest.raises(ValidationError, match="sum to"):
        RoutingPolicy.model_validate({"weights": {"step_count": 1}})


def test_weights_may_miss_one_by_what_floats_miss() -> None:
    """Sums of decimal fractions are rarely exact."""
    tenths = dict(zip(WEIGHTS, [0.1, 0.2, 0.3, 0.1, 0.1, 0.2], strict=True))
    assert RoutingPolicy.parse({"weights": tenths}).weights.step_count == 0.1


def document(**keys: Any) -> Workflow:
    """A deployment with one risky and one destructive step."""
    steps = [step("a", risk="high"), step("b", effects="destructive")]
    return workflow(steps, **{"type": "deployment", "tags": ["web", "night"], "risk": "low"} | keys)


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({}, True),
        ({"type": "deployment"}, True),
        ({"type": ["custom", "deployment"]}, True),
        ({"type": "custom"}, False),
        ({"tags": "night"}, True),
        ({"tags": ["day", "web"]}, True),
        ({"tags": "day"}, False),
        ({"risk": "low"}, True),
        ({"risk": ["high", "critical"]}, True),
        ({"risk": "critical"}, False),
        ({"effects": "destructive"}, True),
        ({"effects": "change"}, False),
        ({"min_steps": 5}, True),
        ({"min_steps": 6}, False),
        ({"level": "simple"}, True),
        ({"level": ["complex", "advanced"]}, False),
        ({"type": "deployment", "tags": "web", "risk": "high", "effects": "destructive"}, True),
        ({"type": "deployment", "tags": "web", "risk": "critical", "effects": "destructive"}, False),
    ],
)
def test_a_rule_fits_when_every_key_does(when: dict[str, Any], fits: bool) -> None:
    """One value of a key's list is enough, all keys are needed."""
    policy = RoutingPolicy.parse({"rules": [{"name": "r", "when": when, "engine": "celery"}]})
    assert (first_match(policy, document(), leaves=5, level="simple") is not None) == fits


def test_handler_steps_count_for_rules() -> None:
    """A destructive undo is destructive."""
    policy = RoutingPolicy.parse(
        {"rules": [{"name": "r", "when": {"effects": "destructive"}, "engine": "prefect"}]}
    )
    harmless = workflow([step("a")])
    undo = workflow([step("a", rollback=[step("u", effects="destructive")])])
    assert first_match(policy, harmless, 1, "simple") is None
    assert first_match(policy, undo, 2, "simple") is not None


def test_the_first_rule_that_fits_wins() -> None:
    """In the order the operator wrote."""
    rules = [
        {"name": "no", "when": {"type": "custom"}, "engine": "celery"},
        {"name": "first", "when": {"type": "deployment"}, "engine": "prefect"},
        {"name": "second", "engine": "celery"},
    ]
    found = first_match(RoutingPolicy.parse({"rules": rules}), document(), 1, "simple")
    assert found is not None
    assert found.name == "first"
