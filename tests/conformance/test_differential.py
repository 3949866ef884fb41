"""Both engines do the same with random documents. `differential.py` does it with thousands."""

from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest

from codegen.document import parse
from codegen.registry import Registry
from rehearsal.course import Course
from rehearsal.reading import Rehearsal, read_file
from steps.events import Event
from tests.conformance.cases import WHOLE
from tests.conformance.constructs import counted
from tests.conformance.differential import difference, rehearsal_of
from tests.conformance.moments import Waits, differing

DOCUMENTS = 15
WHOLE_RUNS = {
    f"{file.name.split('.')[0]}: {rehearsal.case.name}": rehearsal
    for file in sorted(WHOLE.glob("*.test.yaml"))
    for rehearsal in read_file(file)
    if len(rehearsal.engines) == 2
}

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("conformance-prefect"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


def step(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "command", "command": "x", **more}


@pytest.mark.usefixtures("prefect_api")
def test_random_documents_end_the_same_on_both_engines(tmp_path: Path) -> None:
    """Some that nobody has seen before; also after a death, and in another try."""
    registry = Registry(tmp_path)
    first = SystemRandom().randrange(1_000_000_000)
    for seed in range(first, first + DOCUMENTS):
        found = difference(rehearsal_of(seed), registry, Random(seed))
        assert found is None, f"seed {seed}: {found}"


@pytest.mark.usefixtures("prefect_api")
@pytest.mark.parametrize("rehearsal", WHOLE_RUNS.values(), ids=WHOLE_RUNS)
def test_large_documents_end_the_same_in_every_detail(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """Not only in what their cases expect."""
    assert difference(rehearsal, Registry(tmp_path)) is None


NESTED = {
    "name": "n",
    "workflows": {"w": {"name": "w", "steps": [step("a"), step("b")]}},
    "steps": [
        step("a"),
        step("b", for_each=[1, 2]),
        step("c", depends_on=[]),
        {
            "id": "g",
            "type": "parallel",
            "for_each": [1, 2],
            "steps": [step("d"), step("e", depends_on=["d"])],
        },
        step("f", on_error={"steps": [step("h")]}, rollback=[step("u"), step("v")]),
        {"id": "w", "type": "workflow", "workflow": "w"},
    ],
    "on_failure": [step("z")],
}


@pytest.mark.parametrize(
    ("one", "other", "waits"),
    [
        ("a", "b [0]", True),
        ("a", "c", False),
        ("b [0]", "b [1]", False),
        ("b [1]", "d [0]", False),
        ("c", "d [0]", True),
        ("d [0]", "e [0]", True),
        ("d [0]", "e [1]", False),
        ("e [1]", "f", True),
        ("f", "h", True),
        ("h", "w", True),
        ("c", "h", True),
        ("b [0]", "h", False),
        ("w", "u", True),
        ("u", "v", True),
        ("v", "z", True),
        ("b [1]", "z", True),
        ("w/a", "w/b", True),
        ("f", "w/b", True),
        ("w/b", "z", True),
    ],
)
def test_which_starts_have_an_order(one: str, other: str, waits: bool) -> None:
    """Those of which one waits for the other, in the same execution of what is around both."""
    found = Waits(parse(NESTED))
    assert (found.between(one, other), found.between(other, one)) == (waits, waits)


def course(*starts: tuple[float, str]) -> Course:
    events = tuple(Event("started", label) for _, label in starts)
    return Course(None, None, events, tuple(moment for moment, _ in starts))


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ([(0, "a"), (0, "c"), (1, "f")], False),
        ([(0, "c"), (0, "a"), (1, "f")], False),
        ([(0, "a"), (0, "f"), (1, "c")], True),
        ([(0, "a"), (0, "c"), (2, "f")], True),
        ([(0, "a"), (0, "c")], True),
        ([(0, "a"), (0, "c"), (1, "f"), (1, "w")], True),
    ],
)
def test_what_differs_in_starts(other: list[tuple[float, str]], differs: bool) -> None:
    """Other moments, other starts; within a moment another order only where one waits for the other."""
    one = course((0, "a"), (0, "c"), (1, "f"))
    assert bool([*differing(parse(NESTED), one, course(*other))]) == differs


def test_an_order_along_dependencies_is_compared_within_a_moment() -> None:
    """There it is no accident."""
    one, other = course((0, "a"), (0, "b [0]")), course((0, "b [0]"), (0, "a"))
    assert "order at 0" in next(differing(parse(NESTED), one, other))


def test_a_seed_is_always_the_same_document() -> None:
    """Or a found one could not be looked at again."""
    assert rehearsal_of(7) == rehearsal_of(7)
    assert rehearsal_of(7) != rehearsal_of(8)


def test_every_construct_is_drawn() -> None:
    """A construct that is new in the language has to be in the documents that the engines are compared by."""
    found = counted(rehearsal_of(seed).workflow for seed in range(400))
    assert [construct for construct, number in found.items() if number < 3] == []
