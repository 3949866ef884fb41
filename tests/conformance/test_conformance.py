"""Every rule of the document language holds wherever a workflow runs.

In the interpreter, as a generated Prefect flow, and on a real Celery worker: the same cases, the same
expectations. README.md in this folder says how to add one.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from codegen.registry import Registry
from rehearsal.reading import Rehearsal
from rehearsal.running import judged
from rehearsal.verdicts import Verdict
from tests.conformance.cases import all_cases

CASES = all_cases()
each_case = pytest.mark.parametrize("rehearsal", CASES.values(), ids=CASES)


def check(verdict: Verdict) -> None:
    """Fail with everything that is not as expected."""
    assert verdict.passed, "\n".join(verdict.lines())


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Where generated flows are kept."""
    return Registry(tmp_path_factory.mktemp("conformance"))


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[None]:
    """One Prefect server for all cases."""
    from rehearsal.server import prefect_server

    with prefect_server():
        yield


@each_case
def test_in_the_interpreter(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """As a Celery worker would run it, in this process."""
    check(judged(rehearsal, "celery", Registry(tmp_path)))


@pytest.mark.timeout(300)
@pytest.mark.xdist_group("conformance-prefect")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@each_case
@pytest.mark.usefixtures("prefect_api")
def test_as_a_generated_flow(rehearsal: Rehearsal, registry: Registry) -> None:
    """The Python that is generated from the document, in Prefect."""
    check(judged(rehearsal, "prefect", registry))


def test_there_are_cases_for_every_topic() -> None:
    """A file that is not read would be missed by nobody."""
    assert len(CASES) >= 120
    assert len({place.split(":")[0] for place in CASES}) >= 20
