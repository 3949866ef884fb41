"""Partial orders: closure, reduction, chains, and the maximum antichain against brute force."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.scoring.orders import CycleError, arranged, longest_chain, members, order, topological, width

Graph = list[list[int]]


@st.composite
def graphs(draw: st.DrawFn, largest: int = 9) -> Graph:
    """Graphs in which each node waits for smaller numbers."""
    size = draw(st.integers(1, largest))
    return [
        draw(st.lists(st.integers(0, node - 1), max_size=4, unique=True)) if node else []
        for node in range(size)
    ]


def above(graph: Graph) -> tuple[int, ...]:
    """The closure of a graph whose nodes all count."""
    return order(graph, [True] * len(graph)).above


@settings(deadline=None, max_examples=300)
@given(graphs(), st.data())
def test_width_is_the_heaviest_antichain(graph: Graph, data: st.DataObject) -> None:
    """No set of unordered nodes weighs more, and one weighs as much."""
    weights = data.draw(st.lists(st.integers(0, 5), min_size=len(graph), max_size=len(graph)))
    before = above(graph)
    antichains = (
        chosen
        for size in range(len(graph) + 1)
        for chosen in combinations(range(len(graph)), size)
        if not any(before[two] >> one & 1 for one, two in combinations(chosen, 2))
    )
    assert width(before, weights) == max(sum(weights[node] for node in chosen) for chosen in antichains)


@settings(deadline=None)
@given(graphs())
def test_reduction_has_the_same_closure_and_no_pair_to_spare(graph: Graph) -> None:
    """The direct pairs rebuild the order, and none of them can be left out."""
    found = order(graph, [True] * len(graph))
    reduced = [list(members(nodes)) for nodes in found.direct]
    assert above(reduced) == found.above
    for node, nodes in enumerate(reduced):
        for earlier in nodes:
            fewer = [[one for one in n if (at, one) != (node, earlier)] for at, n in enumerate(reduced)]
            assert above(fewer) != found.above


@settings(deadline=None)
@given(graphs(), st.data())
def test_uncounted_nodes_pass_the_order_on(graph: Graph, data: st.DataObject) -> None:
    """What is not counted disappears from the sets, not from the order between the others."""
    counted = data.draw(st.lists(st.booleans(), min_size=len(graph), max_size=len(graph)))
    kept = sum(1 << node for node, count in enumerate(counted) if count)
    found, everything = order(graph, counted), above(graph)
    assert found.above == tuple(nodes & kept for nodes in everything)
    for nodes, direct in zip(found.above, found.direct, strict=True):
        passed = [
            one for one in members(nodes) if any(found.above[other] >> one & 1 for other in members(nodes))
        ]
        assert set(members(direct)) == set(members(nodes)) - set(passed)


@given(graphs(largest=30), st.randoms(use_true_random=False))
def test_any_numbering_can_be_arranged(graph: Graph, random: object) -> None:
    """Shuffled numbers are brought back into an order in which each node waits for smaller ones."""
    places = list(range(len(graph)))
    random.shuffle(places)  # type: ignore[attr-defined]
    shuffled: Graph = [[] for _ in graph]
    for node, nodes in enumerate(graph):
        shuffled[places[node]] = [places[earlier] for earlier in nodes]
    straight = arranged(shuffled, topological(shuffled))
    assert all(earlier < node for node, nodes in enumerate(straight) for earlier in nodes)
    assert sorted(map(len, straight)) == sorted(map(len, graph))
    assert longest_chain(straight, [1] * len(straight)) == longest_chain(graph, [1] * len(graph))


@pytest.mark.parametrize(
    ("graph", "lengths", "longest"),
    [
        ([], [], 0),
        ([[]], [3], 3),
        ([[], [0], [1]], [1, 1, 1], 3),
        ([[], [0], [0], [1, 2]], [1, 5, 2, 1], 7),
        ([[], []], [2, 9], 9),
    ],
)
def test_longest_chain_sums_lengths(graph: Graph, lengths: list[int], longest: int) -> None:
    """The heaviest path counts, not the one with most nodes."""
    assert longest_chain(graph, lengths) == longest


@pytest.mark.parametrize(
    ("graph", "circle"),
    [
        ([[0]], {0}),
        ([[1], [0]], {0, 1}),
        ([[], [0, 3], [1], [2], [3]], {1, 2, 3}),
    ],
)
def test_a_circle_is_named_without_what_only_waits_for_it(graph: Graph, circle: set[int]) -> None:
    """The error holds the nodes of the circle and no others."""
    with pytest.raises(CycleError) as caught:
        topological(graph)
    assert set(caught.value.nodes) == circle


def test_width_is_exact_where_greed_fails() -> None:
    """Linking each node to the nearest one above it alone would find 1,500 chains here, not 1,000."""
    half = 1_000
    graph: Graph = [[] for _ in range(half)] + [list(range(node, half)) for node in range(half)]
    assert width(above(graph), [1] * (2 * half)) == half
