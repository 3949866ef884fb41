"""Which task runs a step comes after, as the graph shows it."""

from prefect.states import Completed

from codegen.schedule import Node
from flows.prefect_steps import MOST_EDGES, Edges
from steps.scope import Scope, Spot, Surroundings


def at(step: str, *places: int) -> Scope:
    """An execution of a step."""
    spots = tuple(Spot(place, 9) for place in places)
    return Scope(Surroundings(run_id="r", name="n"), step, spots=spots)


def edges(*nodes: Node, ran: str) -> Edges:
    """These steps, of which the named ones ran."""
    made = Edges()
    for node in nodes:
        made.add(node)
    for step in ran.split():
        made.ran(step, at(step), Completed())
    return made


def leaf(id: str, *after: str, parent: str | None = None) -> Node:
    return Node(id, after=after, parent=parent)


def group(id: str, *after: str, parent: str | None = None) -> Node:
    return Node(id, after=after, parent=parent, is_group=True)


def befores(made: Edges, step: str, *, among: str) -> list[str]:
    """The steps that a step comes after, by name."""
    owners = {id(end): name for name in among.split() for _, end in made._ended[name]}
    return [owners[id(end)] for end in made.before(step, at(step))]


def test_a_step_comes_after_the_runs_of_its_dependencies() -> None:
    """All of them, each as often as it ran."""
    made = edges(leaf("a"), leaf("b"), leaf("c", "a", "b"), ran="a a b")
    assert befores(made, "c", among="a b") == ["a", "a", "b"]
    assert made.before("a", at("a")) == []


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
    assert len(edges(*chain, ran="s0").before("s99999", at("s99999"))) == 1


def test_a_fan_in_of_thousands_shows_some_of_its_edges() -> None:
    """Every edge costs, and nobody can read them all."""
    made = edges(leaf("a"), leaf("b", "a"), ran="a " * 5000)
    assert len(made.before("b", at("b"))) == MOST_EDGES


class TestInsideExecutions:
    """Steps of a group that fans out come after those of their own execution."""

    def made(self) -> Edges:
        """`a`, then in each execution of a group `b` and then `c`, then `d`."""
        made = Edges()
        nodes = [
            leaf("a"),
            group("g", "a"),
            leaf("b", parent="g"),
            leaf("c", "b", parent="g"),
            leaf("d", "g"),
        ]
        for node in nodes:
            made.add(node)
        for step in ("b", "c"):
            made.place(step, 1)
        made.ran("a", at("a"), Completed())
        for place in (0, 1):
            made.ran("b", at("b", place), Completed())
        return made

    def test_of_the_same_execution_only(self) -> None:
        """One edge, to the right one of the two."""
        made = self.made()
        ends = dict(made._ended["b"])
        assert [made.before("c", at("c", place)) for place in (0, 1)] == [[ends[0,]], [ends[1,]]]

    def test_the_first_of_each_execution_comes_after_what_the_group_comes_after(self) -> None:
        """Which ran once, outside of them all."""
        made = self.made()
        (outside,) = (end for _, end in made._ended["a"])
        assert [made.before("b", at("b", place)) for place in (0, 1)] == [[outside], [outside]]

    def test_what_comes_after_the_group_comes_after_all_its_executions(self) -> None:
        """Also after one that ended early."""
        made = self.made()
        made.ran("c", at("c", 0), Completed())
        made.ran("c", at("c", 1), Completed())
        assert made.before("d", at("d")) == [end for _, end in made._ended["c"]]

    def test_a_fan_out_of_its_own_inside_an_execution(self) -> None:
        """Its items have a place of their own; what comes next comes after those of the same execution."""
        made = self.made()
        made.add(leaf("e", "c", parent="g"))
        made.place("e", 1)
        for place in (0, 1):
            for item in (0, 1, 2):
                made.ran("c", at("c", place, item), Completed())
        of_second = [end for there, end in made._ended["c"] if there == (1,)]
        assert made.before("e", at("e", 1)) == of_second
        assert len(of_second) == 3
