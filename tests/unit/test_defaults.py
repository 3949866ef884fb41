"""What `defaults` say, every step says unless it says otherwise."""

from typing import Any

import pytest

from codegen.lists import every_step
from codegen.workflow import Workflow
from tests.unit.actor import Actor, Spec, sequential, step, workflow

EVERYTHING: Spec = {
    "retry": {"attempts": 2, "delay": 0},
    "timeout": "5m",
    "on": "a.localhost",
    "run_if": "finished",
    "continue_on_error": True,
    "max_parallel": 2,
    "idempotent": False,
}
ONLY_LEAVES = ("retry", "timeout", "on", "max_parallel", "idempotent")


def by_id(document: Workflow) -> dict[str, Any]:
    """Every step of a document."""
    return {one.id: one for _, one in every_step(document)}


def test_every_list_inherits() -> None:
    """Main steps, handlers and undos of steps, of the run, and always-steps; however deep."""
    a = step("a", on_error={"steps": [step("b")]}, rollback=[step("c")])
    choice = {"id": "k", "type": "condition", "when": "true", "then": [step("e")], "else": [step("f")]}
    cases = {"x": [step("g")]}
    switch = {"id": "w", "type": "switch", "value": "1", "cases": cases, "default": [step("h")]}
    document = workflow(
        sequential("s", a, {"id": "p", "type": "parallel", "steps": [step("d")]}),
        choice,
        switch,
        on_failure=[step("i")],
        finally_=[step("j")],
        defaults={"timeout": "5m", "run_if": "finished"},
    )
    steps = by_id(document)
    assert {id for id, one in steps.items() if one.timeout == 300} == set("abcdefghij")
    assert {one.run_if for one in steps.values()} == {"finished"}
    assert document.defaults is None


def test_groups_inherit_the_order_only() -> None:
    """What is said of a group is said of its steps as a whole: that would be said twice."""
    steps = by_id(workflow(sequential("g", step("a")), defaults=EVERYTHING))
    for key in ONLY_LEAVES:
        assert key not in steps["g"].model_fields_set
        assert key in steps["a"].model_fields_set
    assert (steps["g"].run_if, steps["g"].continue_on_error) == ("finished", True)


@pytest.mark.parametrize("ending", [{"type": "fail", "message": "m"}, {"type": "stop"}])
def test_ends_of_the_run_are_no_work(ending: Spec) -> None:
    """Nothing to try again, and nowhere to do it."""
    steps = by_id(workflow({"id": "a", **ending}, defaults=EVERYTHING))
    assert not steps["a"].model_fields_set & set(ONLY_LEAVES)


@pytest.mark.parametrize(
    ("own", "value"),
    [({"timeout": "1s"}, 1), ({"timeout": None}, None), ({}, 300)],
)
def test_a_steps_own_word_counts(own: Spec, value: float | None) -> None:
    """Also its word that there is to be none."""
    assert by_id(workflow(step("a", **own), defaults={"timeout": "5m"}))["a"].timeout == value


def test_own_keys_are_replaced_as_a_whole() -> None:
    """A step's retry is not mixed with that of the defaults."""
    steps = by_id(workflow(step("a", retry={"attempts": 7}), defaults={"retry": {"delay": "9s"}}))
    assert (steps["a"].retry.attempts, steps["a"].retry.delay) == (7, 1)


def test_a_document_without_defaults_says_what_it_said() -> None:
    """No key appears."""
    steps = by_id(workflow(sequential("g", step("a"))))
    assert steps["a"].model_fields_set == {"id", "type", "command"}


async def test_they_hold_in_a_run() -> None:
    """Steps are tried again, and failures tolerated."""
    actor = Actor(fails={"a": 1, "b": 9})
    done = await actor.run(
        step("a"),
        step("b"),
        step("c"),
        defaults={"retry": {"attempts": 2, "delay": 0}, "continue_on_error": True, "run_if": "finished"},
    )
    assert {id: (record.status, record.attempts) for id, record in done.steps.items()} == {
        "a": ("succeeded", 2),
        "b": ("failed", 2),
        "c": ("succeeded", 1),
    }
    assert done.success


def test_a_target_is_inherited_once() -> None:
    """Neither within a group that runs on targets, nor in the handlers and undos of a step: they have one."""
    inner = step("a", on_error={"steps": [step("b")]}, rollback=[step("c")])
    document = workflow(
        sequential("g", step("d"), on="targets"), inner, finally_=[step("e")], defaults={"on": "targets"}
    )
    assert {id: one.on for id, one in by_id(document).items() if one.type != "sequential"} == {
        "a": "targets",
        "b": None,
        "c": None,
        "d": None,
        "e": "targets",
    }
