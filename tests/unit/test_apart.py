"""Which groups run their steps by themselves: documents and generated flows decide alike."""

from typing import Any

import pytest

from codegen.groups import OF_THE_WHOLE, Parallel, is_apart
from codegen.schedule import Node
from codegen.step import Repeat, Retry
from codegen.workflow import Workflow
from flows.outline import Entry
from steps.work import Work

STEPS = [{"id": "a", "type": "set", "values": {"x": 1}}]
REPEAT = {"max": 2, "until": "true"}


def written(**keys: Any) -> Parallel:
    """A group of a document."""
    group = {"id": "g", "type": "parallel", "steps": STEPS, **keys}
    [step] = Workflow.model_validate({"name": "n", "steps": [group]}).steps
    assert isinstance(step, Parallel)
    return step


def entry(*, repeat: Repeat | None = None, on: str | None = None, for_each: Any = None, **more: Any) -> Entry:
    """A group of a generated flow."""
    work = Work(Node("g", is_group=True), repeat=repeat, on=on, for_each=for_each)
    return Entry(work, is_group=True, **more)


@pytest.mark.parametrize(
    ("keys", "made"),
    [
        ({"wait_for": "any"}, entry(whole={"wait_for": "any"})),
        ({"on": "localhost"}, entry(on="localhost")),
        ({"for_each": []}, entry(for_each=[])),
        ({"repeat": REPEAT}, entry(repeat=Repeat(max=2, until="true"))),
        ({"retry": {"attempts": 2}}, entry(whole={"retry": Retry(attempts=2)})),
        ({"timeout": "5s"}, entry(whole={"timeout": 5})),
        ({"outputs": {"x": "1"}}, entry(whole={"outputs": {"x": "1"}})),
        ({"on_error": {"steps": STEPS}}, entry(on_error=[entry()])),
        ({"rollback": STEPS}, entry(rollback=[entry()])),
    ],
    ids=str,
)
def test_a_group_that_says_something_of_the_whole(keys: dict[str, Any], made: Entry) -> None:
    """Each of the keys alone makes it one."""
    assert is_apart(written(**keys))
    assert made.is_apart
    assert set(keys) <= set(OF_THE_WHOLE)


@pytest.mark.parametrize(
    ("keys", "made"),
    [
        ({}, entry()),
        ({"wait_for": "all"}, entry(whole={"wait_for": "all"})),
        ({"when": "true", "depends_on": [], "run_if": "finished"}, entry(when="true")),
        ({"retry": None, "outputs": {}, "rollback": []}, entry(whole={"retry": None, "outputs": {}})),
    ],
)
def test_a_group_that_says_nothing_of_it(keys: dict[str, Any], made: Entry) -> None:
    """It is a mere frame."""
    assert not is_apart(written(**keys))
    assert not made.is_apart


def test_a_step_that_is_no_group() -> None:
    """It has no steps, whatever it says."""
    made = entry(for_each=[1])
    assert not Entry(made.work).is_apart
