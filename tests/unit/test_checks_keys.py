"""Keys that don't go together, that a kind of step can't have, or that have no effect."""

from typing import Any

import pytest

from codegen.document import load, placed, warnings
from codegen.workflow import Workflow
from tests.unit.documents import document, refusal, refused, step

CHANGING, HARMLESS = step("c"), step("s", "set")


def fails(id: str = "f", **keys: Any) -> dict[str, Any]:
    """A step that fails."""
    return step(id, "fail", message="no", **keys)


@pytest.mark.parametrize("key", ["failed_when", "succeeded_when"])
def test_a_group_is_not_judged(key: str) -> None:
    """It has no result; a leaf has."""
    problem = refusal(document(step("g", "sequential", steps=[step("a")], **{key: "true"})))
    assert (problem.path, problem.message) == (f"steps[0].{key}", "a group has no result to judge")
    assert problem.cure == "add a validation step to it, or say what to do in on_error"
    load(document(step("a", **{key: "result.exit_code == 1"})))


@pytest.mark.parametrize("kind", ["fail", "stop"])
@pytest.mark.parametrize(
    ("key", "value"), [("repeat", {"until": "true", "max": 2}), ("retry", {"attempts": 2}), ("timeout", 5)]
)
def test_what_ends_a_run_is_done_once(kind: str, key: str, value: Any) -> None:
    """Neither again nor in time; a command may be."""
    problem = refusal(document(step("a", kind, message="x", **{key: value})))
    assert (problem.path, problem.cure) == (f"steps[0].{key}", "leave it out")
    assert problem.message == f"a {kind} step is done once and takes no time"
    load(document(step("a", **{key: value})))


def test_defaults_are_not_for_what_ends_a_run() -> None:
    """It inherits neither retry nor timeout."""
    load(document(fails(), defaults={"retry": {"attempts": 2}, "timeout": 5}))


@pytest.mark.parametrize(
    "kept",
    [
        {"until": "true"},
        {"max": 2},
        {"until": "true", "while": "true", "max": 2},
        {"until": "true", "max": 0},
    ],
)
def test_a_repeat_has_one_condition_and_a_bound(kept: dict[str, Any]) -> None:
    """Nothing goes on for ever."""
    assert refusal(document(step("a", repeat=kept))).path.startswith("steps[0].repeat")


@pytest.mark.parametrize(
    "one",
    [
        HARMLESS,
        fails(),
        step("a", "stop"),
        step("w", "wait", duration=1),
        step("v", "validation", that="true"),
        step("g", "sequential", steps=[HARMLESS, step("h", "parallel", steps=[fails()])]),
    ],
)
def test_what_changes_nothing_is_not_undone(one: dict[str, Any]) -> None:
    """Nor is a group of such steps."""
    problem = refusal(document({**one, "rollback": [step("u")]}))
    assert problem.path == "steps[0].rollback"
    assert "changes" in problem.message
    assert "nothing to undo" in problem.message


@pytest.mark.parametrize(
    "one",
    [CHANGING, step("g", "parallel", steps=[HARMLESS, step("h", "parallel", steps=[CHANGING])])],
)
def test_what_changes_something_is_undone(one: dict[str, Any]) -> None:
    """A group as a whole, too."""
    load(document({**one, "rollback": [step("u")]}))


def test_what_runs_after_the_undoing_is_not_undone() -> None:
    """Main steps and what is done about their failures are."""
    undone = step("c", rollback=[step("u")])
    load(document(step("a", on_error={"steps": [undone]})))
    for text, path in (
        (document(step("a"), on_failure=[undone]), "on_failure[0].rollback"),
        (document(step("a"), **{"finally": [undone]}), "finally[0].rollback"),
        (document(step("a", rollback=[undone])), "steps[0].rollback[0].rollback"),
    ):
        problem = refusal(text)
        assert problem.path == path
        assert problem.message == "this step runs when the undoing is over, so nothing would undo it"


@pytest.mark.parametrize("wait_for", [2, 1, "any", "all"])
def test_a_race_has_as_many_steps_as_have_to_win(wait_for: Any) -> None:
    """Disabled ones too: to switch a step off for a while must not make a document wrong."""
    group = step("g", "parallel", steps=[step("a"), step("b", enabled=False)])
    load(document({**group, "wait_for": wait_for}))
    problem = refusal(document({**group, "wait_for": 3}))
    assert (problem.path, problem.cure) == ("steps[0].wait_for", "write a smaller number, or all")
    assert problem.message == "3 can't succeed: the group has only 2 steps"


@pytest.mark.parametrize(
    ("handlers", "recovers"),
    [
        ([fails()], False),
        ([step("h"), fails()], False),
        ([fails(when="params.p")], True),
        ([fails(enabled=False)], True),
        ([fails(continue_on_error=True)], True),
        ([step("h"), fails(run_if="failed")], True),
        ([step("h", "stop"), fails()], True),
        ([step("h")], True),
    ],
)
def test_handlers_that_always_fail_recover_nothing(handlers: list[Any], recovers: bool) -> None:
    """Without `recover` they may: a failure with a better message."""
    load(document(step("a", on_error={"steps": handlers}), parameters={"p": {}}))
    text = document(step("a", on_error={"steps": handlers, "recover": True}), parameters={"p": {}})
    if recovers:
        load(text)
    else:
        problem = refusal(text)
        assert problem.path == "steps[0].on_error.recover"
        assert "always fails, so the step never recovers" in problem.message


@pytest.mark.parametrize(
    ("steps", "path", "message"),
    [
        ([step("a", max_parallel=2)], "steps[0].max_parallel", "neither on nor for_each"),
        (
            [step("a", continue_on_error=True, on_error={"steps": [step("h")], "recover": True})],
            "steps[0].continue_on_error",
            "recovers from its failure",
        ),
        ([step("a", enabled=False), step("b", enabled=False)], "steps", "every step is disabled"),
        ([step("a", run_if="failed")], "steps[0].run_if", "it is always skipped"),
    ],
)
def test_what_has_no_effect_is_warned_of(steps: list[Any], path: str, message: str) -> None:
    """The document runs all the same."""
    (problem,) = warnings(load(document(*steps)))
    assert problem.path == path
    assert message in problem.message
    assert problem.cure


@pytest.mark.parametrize(
    "steps",
    [
        [step("a", max_parallel=2, for_each=[1])],
        [step("a", on_error={"steps": [step("h")], "recover": True})],
        [step("a", enabled=False), step("b")],
        [step("a"), step("b", run_if="failed")],
        [
            step("a", continue_on_error=True),
            step("b", depends_on=[]),
            step("c", join="any", depends_on=["a", "b"]),
        ],
    ],
)
def test_what_has_an_effect_is_not_warned_of(steps: list[Any]) -> None:
    """Nor a join, which needs not all of what it waits for."""
    assert warnings(load(document(*steps))) == ()


def test_a_default_for_fan_out_is_for_steps_that_fan_out() -> None:
    """Others inherit nothing to be warned of."""
    text = document(step("a"), step("b", for_each=[1]), defaults={"max_parallel": 2})
    workflow = load(text)
    assert [one.max_parallel for one in workflow.steps] == [None, 2]
    assert warnings(workflow) == ()


def test_a_problem_of_an_inherited_key_is_at_the_default_that_says_it() -> None:
    """Its path is that of the step; what a step says itself is told at the step."""
    text = document(
        step("a"),
        step("b", on="here"),
        fails(),
        step("c"),
        defaults={"on": "db", "run_if": "failed"},
    )
    found = [(problem.path, problem.line) for problem in refused(text)]
    defaults = text[: text.index('"defaults"')].count("\n") + 1
    assert found == [
        ("steps[1].on", 4),
        ("steps[0].on", defaults),
        ("steps[3].on", defaults),
    ]
    text = document(step("a"), defaults={"run_if": "failed"})
    (warning,) = placed(warnings(load(text)), text)
    assert (warning.path, warning.line) == ("steps[0].run_if", 4)


def test_a_name_in_a_default_is_checked_for_each_step() -> None:
    """It is as if each said so."""
    text = document(step("a"), says_where(), defaults={"on": "{{ steps.a.result.stdout }}"})
    assert [problem.path for problem in refused(text)] == ["steps[0].on"]


def says_where() -> dict[str, Any]:
    """A step that inherits a target from the step before it."""
    return step("b", on="localhost")


def test_merged_defaults_are_checked_as_what_the_steps_say() -> None:
    """A document built in memory, too."""
    workflow = Workflow.model_validate({"name": "x", "steps": [step("a")], "defaults": {"run_if": "failed"}})
    assert [problem.path for problem in warnings(workflow)] == ["steps[0].run_if"]


def test_a_group_is_not_idempotent_or_not_its_steps_are() -> None:
    """It is not started again as a whole."""
    group = {"id": "g", "type": "sequential", "idempotent": False, "steps": [step("a", idempotent=False)]}
    (problem,) = refused(document(group))
    assert problem.path == "steps[0].idempotent"
    assert "write it at the steps" in problem.cure
