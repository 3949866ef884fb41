"""Every rule of the document language holds wherever a workflow runs.

In the interpreter, as a generated Prefect flow, and on a real Celery worker: the same cases, the same
expectations. README.md in this folder says how to add one.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from celery_bridge.settings import BridgeSettings
from codegen.decision import EngineName
from codegen.registry import Registry
from rehearsal.form import Case
from rehearsal.reading import Rehearsal
from rehearsal.running import judged
from rehearsal.verdicts import Verdict
from tests.conformance.cases import all_cases
from tests.conformance.remote import judged_remotely
from tests.integration.brokers import redis_server, worker

CASES = all_cases()


def each_case(engine: EngineName, *, sent: bool = False) -> pytest.MarkDecorator:
    """The cases of an engine; `sent`: those that a worker somewhere else can be given."""
    chosen = {
        place: rehearsal
        for place, rehearsal in CASES.items()
        if engine in rehearsal.engines and (not sent or _may_be_sent(rehearsal.case))
    }
    return pytest.mark.parametrize("rehearsal", chosen.values(), ids=chosen)


def _may_be_sent(case: Case) -> bool:
    """From here nobody can tell when to cancel, and only a first life that dies can be prepared."""
    return not any(life.cancel_after is not None for life in case.lives.values()) and not any(
        life.expect.died for life in case.then
    )


def check(verdict: Verdict) -> None:
    """Fail with everything that is not as expected."""
    assert verdict.passed, "\n".join(verdict.lines())


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Where generated flows are kept."""
    return Registry(tmp_path_factory.mktemp("conformance"))


@each_case("celery")
def test_in_the_interpreter(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """As a Celery worker would run it, in this process."""
    check(judged(rehearsal, "celery", Registry(tmp_path)))


@pytest.mark.timeout(900)
@pytest.mark.xdist_group("conformance-prefect")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@each_case("prefect")
@pytest.mark.usefixtures("prefect_api")
def test_as_a_generated_flow(rehearsal: Rehearsal, registry: Registry) -> None:
    """The Python that is generated from the document, in Prefect."""
    check(judged(rehearsal, "prefect", registry))


@pytest.fixture(scope="session")
def rehearsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BridgeSettings]:
    """One broker and one real worker, with actors, for all cases."""
    folder = tmp_path_factory.mktemp("worker")
    with redis_server(tmp_path_factory.mktemp("redis")) as redis:
        app = "tests.conformance.rehearsing_worker"
        with worker(folder, redis.url, redis.url, "--concurrency=1", app=app):
            yield BridgeSettings.of(redis.url)


@pytest.mark.timeout(900)
@pytest.mark.xdist_group("conformance-celery")
@each_case("celery", sent=True)
async def test_on_a_celery_worker(rehearsal: Rehearsal, rehearsing: BridgeSettings) -> None:
    """Sent through a broker, run in a process of a worker's pool, reported through Redis.

    Without the cases that are cancelled after some of the run's time, and those that die in a later life.
    A first life that dies is one of the interpreter here: the worker goes on from what it wrote.
    """
    check(await judged_remotely(rehearsal, rehearsing))


def test_there_are_cases_for_every_topic() -> None:
    """A file that is not read would be missed by nobody."""
    assert len(CASES) >= 120
    assert len({place.split(":")[0] for place in CASES}) >= 20
