"""The six factors: what each is computed from, what raises it, and what leaves it alone."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.complexity import HALF, measure
from codegen.policy import Weights
from codegen.workflow import Workflow
from tests.unit.random_documents import Reading, Spec, all_steps, documents, lists_in, step, workflow
from tests.unit.reference_documents import beside, chain, triage

NAMES = list(HALF)
PARALLEL = NAMES.index("parallel_execution")


def scores(document: Workflow) -> tuple[float, ...]:
    """The six scores of a document."""
    return measure(document).amounts.scores()


def changed(steps: list[Spec], id: str, **keys: Any) -> list[Spec]:
    """A copy of a document in which one step has other keys."""
    copied = copy.deepcopy(steps)
    next(one for one in all_steps(copied) if one["id"] == id).update(keys)
    return copied


def assert_none_fell(before: list[Spec], after: list[Spec]) -> None:
    """No factor is lower than it was."""
    for name, old, new in zip(NAMES, scores(workflow(before)), scores(workflow(after)), strict=True):
        assert new >= old, name


@settings(deadline=None, max_examples=150)
@given(documents(), st.data())
def test_a_step_more_lowers_no_factor(steps: list[Spec], data: st.DataObject) -> None:
    """Wherever it is put into whichever list."""
    longer = copy.deepcopy(steps)
    where = data.draw(st.sampled_from(list(lists_in(longer))))
    where.insert(data.draw(st.integers(0, len(where))), step("added"))
    assert_none_fell(steps, longer)


@settings(deadline=None, max_examples=150)
@given(documents(), st.data())
def test_a_dependency_more_lowers_only_the_parallelism_it_takes_away(
    steps: list[Spec], data: st.DataObject
) -> None:
    """Five factors never fall by a new dependency; the width can only stay or shrink."""
    reading = Reading(steps)
    id = data.draw(st.sampled_from([one["id"] for one in all_steps(steps)]))
    allowed = reading.possible_dependencies(id)
    if not allowed:
        return
    more = changed(steps, id, depends_on=[*reading.after[id], data.draw(st.sampled_from(allowed))])
    old, new = scores(workflow(steps)), scores(workflow(more))
    for position, name in enumerate(NAMES):
        if position == PARALLEL:
            assert new[position] <= old[position], name
        else:
            assert new[position] >= old[position], name


@settings(deadline=None, max_examples=150)
@given(documents(), st.data())
def test_a_redundant_dependency_changes_nothing(steps: list[Spec], data: st.DataObject) -> None:
    """Neither a score nor what it is said to be computed from."""
    reading = Reading(steps)
    id = data.draw(st.sampled_from([one["id"] for one in all_steps(steps)]))
    already = reading.before(id)
    redundant = [
        other for other in reading.possible_dependencies(id) if already.issuperset(reading.leaves(other))
    ]
    if not redundant:
        return
    more = changed(steps, id, depends_on=[*reading.after[id], data.draw(st.sampled_from(redundant))])
    assert measure(workflow(more)) == measure(workflow(steps))


@settings(deadline=None, max_examples=40)
@given(documents(), st.data())
@pytest.mark.parametrize(
    ("factor", "keys"),
    [
        ("conditional_logic", {"when": "params.x"}),
        ("conditional_logic", {"run_if": "finished"}),
        ("error_handling", {"retry": {"attempts": 2}}),
        ("error_handling", {"on_error": {"steps": [step("handler")]}}),
        ("error_handling", {"rollback": [step("undo")]}),
        ("advanced_features", {"requires_approval": True}),
        ("advanced_features", {"rollout": {"canary": 1}}),
    ],
)
def test_a_key_more_raises_its_factor_and_lowers_none(
    factor: str, keys: Spec, steps: list[Spec], data: st.DataObject
) -> None:
    """A condition, a retry, a handler, an undo, an approval, a rollout."""
    able = [one["id"] for one in all_steps(steps) if one["type"] != "condition" or "when" not in keys]
    if not able:
        return
    more = changed(steps, data.draw(st.sampled_from(able)), **copy.deepcopy(keys))
    assert_none_fell(steps, more)
    position = NAMES.index(factor)  # type: ignore[arg-type]
    assert scores(workflow(more))[position] > scores(workflow(steps))[position]


@settings(deadline=None, max_examples=50)
@given(documents())
def test_a_branch_more_lowers_no_factor(steps: list[Spec]) -> None:
    """Every condition gets an `else` if it has none: each is one condition more."""
    more = copy.deepcopy(steps)
    added = [one for one in all_steps(more) if one["type"] == "condition" and "else" not in one]
    for number, one in enumerate(added):
        one["else"] = [step(f"else{number}")]
    assert_none_fell(steps, more)
    conditions = measure(workflow(steps)).amounts.conditions
    assert measure(workflow(more)).amounts.conditions == conditions + len(added)


def many(count: int, **keys: Any) -> Workflow:
    """Steps side by side that all say the same."""
    return workflow([step(f"s{n}", depends_on=[], **copy.deepcopy(keys)) for n in range(count)])


@pytest.mark.parametrize(
    ("factor", "make"),
    [
        ("step_count", chain),
        ("dependency_complexity", chain),
        ("parallel_execution", many),
        ("conditional_logic", lambda count: many(count, when="params.x")),
        ("error_handling", lambda count: many(count, retry={})),
        ("advanced_features", lambda count: many(count, rollout={})),
    ],
)
def test_no_factor_levels_off(factor: str, make: Any) -> None:
    """20, 200 and 2,000 score apart by more than what rounding could hide."""
    position = NAMES.index(factor)  # type: ignore[arg-type]
    few, some, most = (scores(make(count))[position] for count in (20, 200, 2_000))
    assert few + 0.05 < some
    assert some + 0.005 < most < 1


def test_a_single_plain_step_is_all_but_nothing() -> None:
    """It scores in the number of steps and nowhere else."""
    assert scores(chain(1))[1:] == (0, 0, 0, 0, 0)


def test_a_thousand_steps_in_a_row_are_not_simple() -> None:
    """Depth alone makes a document more than simple."""
    assert measure(chain(1_000)).amounts.score(Weights().in_order) > 0.4


def test_factors_add_up_to_the_score() -> None:
    """Each contribution is weight times score, and their sum is the document's score."""
    complexity, weights = measure(triage()), Weights()
    factors = complexity.factors(weights)
    assert [factor.name for factor in factors] == list(dict(weights))
    for factor in factors:
        assert factor.contribution == pytest.approx(factor.weight * factor.score)
    assert sum(factor.contribution for factor in factors) == pytest.approx(
        complexity.amounts.score(weights.in_order)
    )


@pytest.mark.parametrize(
    ("factor", "document", "basis"),
    [
        ("step_count", chain(1), "1 leaf step"),
        (
            "step_count",
            workflow([step("a", for_each=[1, 2, 3, 4])]),
            "4 leaf steps (1 written, 3 from fan-out)",
        ),
        (
            "step_count",
            workflow([step("a", for_each="params.x")]),
            "2 leaf steps (1 written, 1 from fan-out); 1 fan-out of unknown width, counted as 2",
        ),
        ("dependency_complexity", many(3), "no leaf step waits for another"),
        (
            "dependency_complexity",
            workflow([beside("g", step("a"), step("b")), step("c"), step("d")]),
            "5 pairs of leaf steps in a fixed order, as in a plain chain of 3.7; longest chain 3, "
            "3 edges without redundant ones, 1 join",
        ),
        ("parallel_execution", chain(4), "one leaf step at a time"),
        ("parallel_execution", many(4), "up to 4 leaf steps at once"),
        ("conditional_logic", chain(4), "no conditions"),
        ("conditional_logic", triage(), "2 branches, 1 step with run_if, 1 step with when"),
        ("error_handling", chain(4), "no retries, handlers or rollback"),
        ("error_handling", triage(), "1 handler step, 4 retries"),
        ("advanced_features", chain(4), "no advanced features"),
        ("advanced_features", many(2, requires_approval=True), "2 steps with requires_approval"),
    ],
)
def test_basis_says_what_a_factor_was_computed_from(factor: str, document: Workflow, basis: str) -> None:
    """One short sentence with the numbers."""
    assert measure(document).basis[factor] == basis  # type: ignore[index]


def test_defaults_count_as_if_every_leaf_said_so() -> None:
    """Inherited retries are retries of each leaf, an inherited run_if is a condition of each group too."""
    steps = [beside("g", step("a"), step("b", retry={"attempts": 1}, run_if="succeeded"))]
    inherited = measure(workflow(steps, defaults={"retry": {"attempts": 2}, "run_if": "finished"}))
    assert (inherited.amounts.safeguards, inherited.amounts.conditions) == (1, 2)


def test_switch_counts_its_cases() -> None:
    """Each case is a branch, and so is a default."""
    switch = {
        "id": "s",
        "type": "switch",
        "value": "params.x",
        "cases": {"a": [step("a")], "b": []},
        "default": [step("c")],
    }
    assert measure(workflow([switch])).amounts.conditions == 3
