"""`failed_when` and `succeeded_when`: what a step says of its own success."""

from typing import Any

import pytest

from codegen.step import Retry
from steps.errors import StepFailed, StepTimedOut
from steps.judging import judged
from steps.scope import Outcome, Scope, Surroundings
from tests.unit.actor import Actor, items, message, step


async def gives(result: Any) -> Outcome:
    """A try that succeeds."""
    return Outcome(result)


async def fails(failure: StepFailed) -> Outcome:
    """A try that fails."""
    raise failure


def scope() -> Scope:
    """Somewhere in a run."""
    return Scope(Surroundings(run_id="r", name="n", params={"most": 3}), "a")


@pytest.mark.parametrize(
    ("rules", "good"),
    [
        ({"failed_when": "result == 3"}, True),
        ({"failed_when": "result == 4"}, False),
        ({"failed_when": "result > params.most"}, False),
        ({"succeeded_when": "result == 4"}, True),
        ({"succeeded_when": "result == 3"}, False),
        ({"failed_when": "false", "succeeded_when": "false"}, False),
        ({"failed_when": "true", "succeeded_when": "true"}, False),
        ({"failed_when": "false", "succeeded_when": "true"}, True),
    ],
)
@pytest.mark.parametrize("by_itself", [True, False])
async def test_they_overrule_the_step(rules: dict[str, str], good: bool, by_itself: bool) -> None:
    """In both directions; the result stays."""
    attempt = gives(4) if by_itself else fails(StepFailed("exit code 4", 4))
    if good:
        assert (await judged(scope(), attempt, **rules)).result == 4
        return
    with pytest.raises(StepFailed) as raised:
        await judged(scope(), attempt, **rules)
    assert raised.value.result == 4
    rule = "failed_when: " if "true" in str(raised.value) else "succeeded_when: "
    assert str(raised.value).startswith(rule) if by_itself else str(raised.value) == "exit code 4"


@pytest.mark.parametrize(
    "failure", [StepTimedOut("too slow", {"exit_code": None}), StepFailed("no such file")]
)
async def test_without_a_result_there_is_nothing_to_judge(failure: StepFailed) -> None:
    """Such a try has failed, whatever would count as success."""
    with pytest.raises(type(failure), match=failure.message):
        await judged(scope(), fails(failure), succeeded_when="true", failed_when="false")


async def test_a_rule_that_breaks_fails_the_try() -> None:
    """Rather than being passed over."""
    with pytest.raises(StepFailed, match="nothing"):
        await judged(scope(), gives(4), failed_when="nothing > 3")


async def test_each_try_is_judged() -> None:
    """And the next one made if it does not count."""
    retry = Retry(attempts=5, delay=0).model_dump()
    actor = Actor(results={"a": [1, 2, 3]})
    done = await actor.run(step("a", succeeded_when="result == 3", retry=retry))
    assert (done.success, done.steps["a"].attempts, done.steps["a"].result) == (True, 3, 3)


async def test_each_execution_is_judged() -> None:
    """By its own result and item."""
    actor = Actor(results={"a.0": 5, "a.1": 6})
    done = await actor.run(step("a", failed_when="result > item", for_each=[5, 5]))
    assert items(done.steps["a"]) == ["succeeded", "failed"]
    assert message(done.steps["a"]) == "failed_when: 'result > item' is true"


async def test_a_round_goes_on_from_what_was_judged() -> None:
    """A failure that is none is a round like others."""
    actor = Actor(results={"a": [1, 2]})
    again = {"until": "result == 2", "max": 3}
    done = await actor.run(step("a", succeeded_when="true", repeat=again))
    assert (done.success, len(actor.did)) == (True, 2)
