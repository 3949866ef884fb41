"""Which task runs a step comes after, as the graph shows it."""

from prefect.states import Completed

from codegen.schedule import Node
from flows.prefect_steps import MOST_EDGES, Edges


def edges(*nodes: Node, ran: str) -> Edges:
    """These steps, of which the named ones ran."""
    made = Edges()
    for node in nodes:
        made.add(node)
    for step in ran.split():
        made.ran(step, Completed())
    return made


def leaf(id: str, *after: str, parent: str | None = None) -> Node:
    return Node(id, after=after, parent=parent)


def group(id: str, *after: str, parent: str | None = None) -> Node:
    return Node(id, after=after, parent=parent, is_group=True)


def befores(made: Edges, step: str, *, among: str) -> list[str]:
    """The steps that a step comes after, by name."""
    owners = {id(end): name for name in among.split() for end in made._ended[name]}
    return [owners[id(end)] for end in made.before(step)]


def test_a_step_comes_after_the_runs_of_its_dependencies() -> None:
    """All of them, each as often as it ran."""
    made = edges(leaf("a"), leaf("b"), leaf("c", "a", "b"), ran="a a b")
    assert befores(made, "c", among="a b") == ["a", "a", "b"]
    assert made.before("a") == []


def test_a_step_that_did_not_run_stands_for_those_before_it() -> None:
    """Skipped steps leave no hole in the graph."""
    made = edges(leaf("a"), leaf("b", "a"), leaf("c", "b"), leaf("d", "c"), ran="a")
    assert befores(made, "d", among="a") == ["a"]


def test_a_group_stands_for_its_last_steps() -> None:
    """And its first steps come after what the group comes after."""
    nodes = [
        leaf("a"),
        group("g", "a"),
        leaf("b", parent="g"),
        leaf("c", "b", parent="g"),
        group("h", "b", parent="g"),
        leaf("d", parent="h"),
        leaf("e", "g"),
    ]
    made = edges(*nodes, ran="a b c d")
    assert befores(made, "b", among="a") == ["a"]
    assert befores(made, "d", among="b") == ["b"]
    assert befores(made, "e", among="c d") == ["c", "d"]


def test_a_group_of_skipped_steps_stands_for_what_it_comes_after() -> None:
    """However deep."""
    made = edges(
        leaf("a"), group("g", "a"), group("h", parent="g"), leaf("b", parent="h"), leaf("c", "g"), ran="a"
    )
    assert befores(made, "c", among="a") == ["a"]


def test_a_hundred_thousand_skipped_steps_are_walked_past() -> None:
    """Without recursion, which ends at a thousand."""
    chain = [leaf("s0"), *(leaf(f"s{number}", f"s{number - 1}") for number in range(1, 100_000))]
    assert len(edges(*chain, ran="s0").before("s99999")) == 1


def test_a_fan_in_of_thousands_shows_some_of_its_edges() -> None:
    """Every edge costs, and nobody can read them all."""
    made = edges(leaf("a"), leaf("b", "a"), ran="a " * 5000)
    assert len(made.before("b")) == MOST_EDGES
