"""What a decision says would have changed it is true of the document itself, and nothing less is."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from codegen.decision import Decision
from codegen.policy import RoutingPolicy
from codegen.routing import decide
from codegen.workflow import Workflow
from tests.unit import reference_documents as documents
from tests.unit.random_documents import Spec, all_steps, step, workflow
from tests.unit.random_documents import documents as random_documents
from tests.unit.reference_documents import beside, chain, layers


def in_a_row(document: Spec, size: int) -> None:
    """Steps after all others, each waiting for the one before."""
    first = step("new0", depends_on=[one["id"] for one in document["steps"]])
    document["steps"] += [first, *(step(f"new{n}") for n in range(1, size))]


def advanced(document: Spec, size: int) -> None:
    """Steps that run other documents, after all others."""
    in_a_row(document, size)
    for one in document["steps"][-size:]:
        del one["command"]
        one.update(type="workflow", workflow="other")


def side_by_side(document: Spec, size: int) -> None:
    """A parallel group after all others."""
    group = beside("new", *(step(f"new{n}") for n in range(size)))
    document["steps"].append({**group, "depends_on": [one["id"] for one in document["steps"]]})


def conditions(document: Spec, size: int) -> None:
    """Conditions on steps that have none; what is left over becomes cases of a switch that holds no steps."""
    for one in all_steps(document["steps"]):
        if size and "when" not in one:
            one["when"], size = "params.x", size - 1
    if size:
        cases: Spec = {f"case{n}": [] for n in range(size)}
        document["steps"].append({"id": "new", "type": "switch", "value": "params.x", "cases": cases})


def retries(document: Spec, size: int) -> None:
    """Retries on steps that have none."""
    for one in all_steps(document["steps"]):
        if size and "retry" not in one:
            one["retry"], size = {"attempts": 2}, size - 1
    assert not size


def fewer_conditions(document: Spec, size: int) -> None:
    """Conditions taken away."""
    for one in all_steps(document["steps"]):
        if size and one["type"] != "condition" and one.pop("when", None):
            size -= 1
    assert not size


def fewer_steps(document: Spec, size: int) -> None:
    """Leaf steps taken away at the end."""
    del document["steps"][-size:]


EDITS: dict[str, Callable[[Spec, int], None]] = {
    r"(\d+) more steps? in a row after all others": in_a_row,
    r"(\d+) more steps? of a type such as workflow in a row after all others": advanced,
    r"(\d+) more steps? side by side after all others": side_by_side,
    r"(\d+) more conditions? \(": conditions,
    r"(\d+) more retried or handler steps?": retries,
    r"(\d+) of its (?:\d+) conditions? left out": fewer_conditions,
    r"(\d+) leaf steps? fewer at the end": fewer_steps,
}


def edited(document: Workflow, text: str, short_by: int = 0) -> Workflow:
    """The document after the change that the text describes, or after a smaller one."""
    edit, found = next((edit, found) for form, edit in EDITS.items() if (found := re.search(form, text)))
    data = document.model_dump(by_alias=True, exclude_unset=True, mode="json")
    if size := int(found[1]) - short_by:
        edit(data, size)
    return Workflow.model_validate(data)


def assert_true_and_smallest(document: Workflow, policy: RoutingPolicy = RoutingPolicy()) -> None:  # noqa: B008
    """The change leads to the level, score and engine that are promised; one edit less does not."""
    decision = decide(document, policy=policy)
    after = decide(edited(document, decision.would_change), policy=policy)
    assert after.engine != decision.engine
    assert f"run on {after.engine.capitalize()}" in decision.would_change
    if "fewer at the end" not in decision.would_change:
        assert f"it would be {after.level}" in decision.would_change
        assert f"{after.score * 100:.1f} %" in decision.would_change
        assert decide(edited(document, decision.would_change, 1), policy=policy).engine == decision.engine


@pytest.mark.parametrize(
    "make",
    [
        documents.disk_check,
        documents.log_cleanup,
        documents.tls_expiry,
        documents.backup,
        lambda: chain(1),
        lambda: chain(18),
        lambda: chain(40),
        lambda: workflow(layers(3, 3)),
        lambda: workflow([step(f"s{n}", when="params.x") for n in range(16)]),
    ],
)
def test_the_change_is_true_and_the_smallest_of_its_kind(make: Callable[[], Workflow]) -> None:
    """Applied to the document it leads where it says."""
    assert_true_and_smallest(make())


@settings(deadline=None, max_examples=100)
@given(random_documents())
def test_the_change_is_true_of_any_simple_document(steps: list[Spec]) -> None:
    """Whatever its groups and dependencies."""
    document = workflow(steps)
    if "No one kind" not in decide(document).would_change and decide(document).engine == "celery":
        assert_true_and_smallest(document)


def near(limits: dict[str, float], **weights: float) -> RoutingPolicy:
    """A policy with other thresholds, all weight on what is named."""
    none = dict.fromkeys(RoutingPolicy().weights.model_dump(), 0.0)
    return RoutingPolicy.parse({"thresholds": limits, **({"weights": none | weights} if weights else {})})


@pytest.mark.parametrize(
    ("document", "policy", "kind"),
    [
        (documents.disk_check(), near({"simple": 0.139}), "1 leaf step fewer at the end"),
        (
            documents.disk_check(),
            near({"simple": 0.15}, conditional_logic=1.0),
            "1 of its 1 condition left out",
        ),
        (chain(5), near({"simple": 0.1, "moderate": 0.2}, error_handling=1.0), "2 more retried"),
        (chain(5), near({"simple": 0.1, "moderate": 0.2}, conditional_logic=1.0), "1 more condition"),
        (chain(5), near({"simple": 0.1, "moderate": 0.32}, step_count=1.0), "1 more step in a row"),
        (chain(5), near({"simple": 0.3}, parallel_execution=1.0), "3 more steps side by side"),
    ],
)
def test_the_kind_with_the_fewest_edits_is_named(
    document: Workflow, policy: RoutingPolicy, kind: str
) -> None:
    """Fewer steps, conditions or retries, whichever takes least."""
    decision = decide(document, policy=policy)
    assert kind in decision.would_change
    assert_true_and_smallest(document, policy)


def sentence(document: Workflow, **policy: Any) -> str:
    """What would have changed the engine."""
    return decide(document, policy=RoutingPolicy.parse(policy)).would_change


def test_parallel_work_could_go_to_celery_one_at_a_time() -> None:
    """Where nothing smaller helps, the shape of the whole document is the change."""
    assert "in a row, one at a time" in sentence(documents.everything())


def test_there_may_be_no_single_change() -> None:
    """Then the score that would be needed is named."""
    spread = ("error_handling", "conditional_logic", "advanced_features", "parallel_execution")
    weights = dict.fromkeys(RoutingPolicy().weights.model_dump(), 0.0) | dict.fromkeys(spread, 0.25)
    text = sentence(chain(3), weights=weights)
    assert text == "No one kind of change would do: its score of 0.0 % would have to rise above 60.0 %."


def test_deciding_does_not_depend_on_the_size_of_the_change() -> None:
    """A document far away from any threshold gets an answer as well."""
    decision: Decision = decide(chain(2_000))
    assert "1 more condition" in decision.would_change
