"""Both engines do the same with random documents. `differential.py` does it with thousands."""

from pathlib import Path
from random import SystemRandom

import pytest

from codegen.registry import Registry
from rehearsal.reading import Rehearsal, read_file
from tests.conformance.cases import WHOLE
from tests.conformance.constructs import counted
from tests.conformance.differential import difference, rehearsal_of

DOCUMENTS = 25
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


@pytest.mark.usefixtures("prefect_api")
def test_random_documents_end_the_same_on_both_engines(tmp_path: Path) -> None:
    """Some that nobody has seen before."""
    registry = Registry(tmp_path)
    first = SystemRandom().randrange(1_000_000_000)
    for seed in range(first, first + DOCUMENTS):
        found = difference(rehearsal_of(seed), registry)
        assert found is None, f"seed {seed}: {found}"


@pytest.mark.usefixtures("prefect_api")
@pytest.mark.parametrize("rehearsal", WHOLE_RUNS.values(), ids=WHOLE_RUNS)
def test_large_documents_end_the_same_in_every_detail(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """Not only in what their cases expect."""
    assert difference(rehearsal, Registry(tmp_path)) is None


def test_a_seed_is_always_the_same_document() -> None:
    """Or a found one could not be looked at again."""
    assert rehearsal_of(7) == rehearsal_of(7)
    assert rehearsal_of(7) != rehearsal_of(8)


def test_every_construct_is_drawn() -> None:
    """A construct that is new in the language has to be in the documents that the engines are compared by."""
    found = counted(rehearsal_of(seed).workflow for seed in range(400))
    assert [construct for construct, number in found.items() if number < 3] == []
