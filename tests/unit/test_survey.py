"""The survey's numbers are those of a slow and literal reading of the document."""

from itertools import combinations

import pytest
from hypothesis import given, settings

from codegen.errors import DocumentError
from codegen.scoring.survey import survey
from tests.unit.random_documents import Reading, Spec, documents, step, workflow


def group(id: str, *steps: Spec, **keys: object) -> Spec:
    """Steps side by side."""
    return {"id": id, "type": "parallel", "steps": list(steps), **keys}


@settings(deadline=None, max_examples=200)
@given(documents())
def test_numbers_are_those_of_a_literal_reading(steps: list[Spec]) -> None:
    """Leaves, ordered pairs, depth, edges, joins and width, whatever the groups and dependencies."""
    reading, extent = Reading(steps), survey(workflow(steps))[0]
    leaves = [leaf for one in steps for leaf in reading.leaves(one["id"])]
    before = {leaf: reading.before(leaf) for leaf in leaves}
    assert extent.written == len(leaves)
    assert extent.leaves == sum(map(reading.times, leaves))
    assert extent.pairs == sum(
        reading.times(leaf) * reading.times(other) for leaf in leaves for other in before[leaf]
    )
    direct = {leaf: before[leaf] - set().union(*(before[other] for other in before[leaf])) for leaf in leaves}
    assert extent.edges == sum(map(len, direct.values()))
    assert extent.joins == sum(len(others) > 1 for others in direct.values())
    assert extent.depth == max(_depths(before).values())
    assert extent.width == _width(reading, leaves, before)


def _depths(before: dict[str, set[str]]) -> dict[str, int]:
    depths: dict[str, int] = {}
    for leaf in sorted(before, key=lambda leaf: len(before[leaf])):
        depths[leaf] = 1 + max((depths[other] for other in before[leaf]), default=0)
    return depths


def _width(reading: Reading, leaves: list[str], before: dict[str, set[str]]) -> int:
    def together(one: str, two: str) -> bool:
        return one not in before[two] and two not in before[one] and not reading.exclude(one, two)

    return max(
        sum(map(reading.at_once, chosen))
        for size in range(1, len(leaves) + 1)
        for chosen in combinations(leaves, size)
        if all(together(one, two) for one, two in combinations(chosen, 2))
    )


@pytest.mark.parametrize(
    ("steps", "width"),
    [
        ([step("a"), step("b")], 1),
        ([step("a"), step("b", depends_on=[])], 2),
        ([group("g", step("a"), step("b"), step("c")), step("d")], 3),
        ([step("a", for_each=[1, 2, 3, 4])], 4),
        ([step("a", for_each=[1, 2, 3, 4], max_parallel=2)], 2),
        ([step("a", for_each="params.unknown")], 2),
        ([group("g", step("a"), step("b"), for_each=[1, 2, 3])], 6),
        ([group("g", step("a"), step("b"), for_each=[1, 2, 3], max_parallel=4)], 4),
        ([{"id": "c", "type": "condition", "when": "x", "then": [step("a")], "else": [step("b")]}], 1),
        (
            [
                {
                    "id": "c",
                    "type": "switch",
                    "value": "x",
                    "cases": {"one": [group("g", step("a"), step("b"))], "two": [step("d")], "three": []},
                    "default": [step("e")],
                }
            ],
            2,
        ),
    ],
)
def test_width_counts_what_can_run_at_once(steps: list[Spec], width: int) -> None:
    """Fan-out counts as far as its limit lets it, branches that exclude each other count once."""
    assert survey(workflow(steps))[0].width == width


def test_crossed_branches_still_exclude_each_other() -> None:
    """A dependency into a branch opens the condition up, but does not let both branches run."""
    steps = [
        {
            "id": "c",
            "type": "condition",
            "when": "x",
            "then": [group("g", step("a"), step("b"), step("d"))],
            "else": [step("e")],
        },
        step("f", depends_on=["e"]),
    ]
    assert survey(workflow(steps))[0].width == 4


def test_many_crossed_conditions_are_counted_as_if_all_branches_ran() -> None:
    """Above the bound on choices the width is too large rather than too slow."""
    steps = [
        {"id": f"c{n}", "type": "condition", "when": "x", "then": [step(f"a{n}")], "else": [step(f"b{n}")]}
        for n in range(5)
    ]
    for one in steps:
        one["depends_on"] = []
    assert survey(workflow(steps))[0].width == 5
    steps.append(step("last", depends_on=[f"b{n}" for n in range(5)]))
    assert survey(workflow(steps))[0].width == 10


@pytest.mark.parametrize("crossing", [[], [step("z", depends_on=["a"])]])
def test_fan_out_of_groups_multiplies(crossing: list[Spec]) -> None:
    """Through every group around a step, whether dependencies cross it or not."""
    inner = group("h", step("a"), step("b", for_each=[1, 2]), for_each=[1, 2])
    steps = [group("g", inner, for_each=[1, 2, 3]), *crossing]
    assert survey(workflow(steps))[0].leaves == 3 * 2 * (1 + 2) + len(crossing)


def test_targets_and_parameter_defaults_are_known_widths() -> None:
    """`on: targets` counts the targets, `for_each: params.x` the items of its default."""
    steps = [step("a", on="targets"), step("b", for_each="params.hosts")]
    document = workflow(
        steps,
        targets=["one", "two", "three"],
        parameters={"hosts": {"type": "array", "default": [1, 2, 3, 4, 5]}},
    )
    assert survey(document)[0].leaves == 8


def test_defaults_count_for_leaves() -> None:
    """A document's `defaults.on` makes every leaf run per target, and multiplies no group."""
    document = workflow(
        [group("g", step("a"), step("b", on="one"))],
        targets=["one", "two", "three"],
        defaults={"on": "targets", "max_parallel": 2},
    )
    assert survey(document)[0].leaves == 4
    assert survey(document)[0].width == 3


def test_handlers_count_without_joining_the_main_order() -> None:
    """The whole document holds handler steps; no main step is ordered with them or runs beside them."""
    document = workflow(
        [step("a", on_error={"steps": [step("h"), step("i")]}), step("b", rollback=[step("r")])],
        on_failure=[step("f"), step("g")],
        **{"finally": [group("p", step("x"), step("y"))]},
    )
    main, whole = survey(document)
    assert (main.leaves, main.pairs, main.width) == (2, 1, 1)
    assert (whole.leaves, whole.pairs, whole.width) == (9, 3, 2)


def test_a_circle_is_named() -> None:
    """Steps that wait for each other are refused by name."""
    with pytest.raises(DocumentError, match=r"steps wait for each other: [ab], [ab]"):
        survey(workflow([step("a", depends_on=["b"]), step("b", depends_on=["a"])]))


def test_waiting_for_the_group_around_is_a_circle() -> None:
    """A step can't wait for the end of a group that waits for the step."""
    with pytest.raises(DocumentError, match="g"):
        survey(workflow([group("g", step("a", depends_on=["g"]))]))
