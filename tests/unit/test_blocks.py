"""The blocks check what they are given, and hand it over."""

import pytest
from pydantic import SecretStr, ValidationError

from blocks import CeleryBroker, RoutingPolicy
from codegen.policy import RoutingPolicy as Policy


def test_policy_block_defaults_are_the_defaults() -> None:
    """A block saved untouched changes nothing."""
    assert RoutingPolicy().get_policy() == Policy()


def test_policy_block_hands_its_rules_over() -> None:
    """Rules of the block are rules of the policy."""
    rule = {"name": "careful", "when": {"effects": "destructive"}, "engine": "prefect"}
    assert RoutingPolicy(rules=[rule]).get_policy().rules[0].engine == "prefect"


def test_policy_block_refuses_weights_that_do_not_sum_to_one() -> None:
    """The error names the sum."""
    weights = Policy().weights.model_dump() | {"step_count": 0.5}
    with pytest.raises(ValidationError, match=r"sum to 1\.3"):
        RoutingPolicy(weights=weights)


def test_broker_block_never_shows_the_password() -> None:
    """The address is secret in every representation and clear only for the bridge."""
    block = CeleryBroker(url=SecretStr("redis://:geheim@broker:6379/0"))
    assert "geheim" not in repr(block) + str(block.model_dump())
    assert block.get_connection()["broker_url"] == "redis://:geheim@broker:6379/0"
