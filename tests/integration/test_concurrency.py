"""How many runs of a document go on at once: a real Prefect server counts real runs."""

import asyncio
import contextvars
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from codegen.concurrency import claim_of
from codegen.document import parse
from codegen.result import RunResult
from control.client import PrefectClient
from control.health import PrefectAnswers
from flows import admission, slots
from flows.router import route_workflow
from flows.session import Session, listening
from steps.events import ignore
from tests.integration.brokers import Worker, free_port

ROOT = Path(__file__).parents[2]
LEASE = 60
PATIENCE = 240.0

pytestmark = [
    pytest.mark.timeout(900),
    # Prefect's clients leave sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


class Server:
    """A Prefect server with its services, which a test may restart."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()  # from 4200 on, other tests start theirs
        self.url = f"http://127.0.0.1:{self.port}/api"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS": "1",
        }
        command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(self.port)]
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=os.environ | settings, stdout=log, stderr=log)
        until(PrefectAnswers(api_url=self.url, home=self.home).passes, "the Prefect server", 120)

    def end(self) -> None:
        """End it, as `opsconductor down` does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    @property
    def leases(self) -> Path:
        """Where it keeps the leases."""
        return self.home / "concurrency_leases"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests; it runs whenever a test begins."""
    started = Server(tmp_path_factory.mktemp("prefect"))
    try:
        started.start()
        with temporary_settings({PREFECT_API_URL: started.url}):
            yield started
    finally:
        started.end()


@dataclass
class Run:
    """A run of the router in a thread of its own."""

    ending: Future[State[Any]]
    sessions: list[Session]

    @property
    def id(self) -> str:
        """Its flow run's id."""
        return self.sessions[0].run_id

    def ended(self) -> tuple[State[Any], RunResult]:
        """Its last state and its result."""
        state = self.ending.result(PATIENCE)
        result = asyncio.run(_outcome(state))
        assert isinstance(result, RunResult), result
        return state, result


async def _outcome(state: State[Any]) -> Any:
    return await state.aresult(raise_on_failure=False)


@dataclass
class Site:
    """A document whose runs write down when they work, and work until they are let go."""

    folder: Path
    pool: ThreadPoolExecutor
    name: str
    engine: str = "prefect"

    def document(self, **concurrency: Any) -> dict[str, Any]:
        """Its runs have something to undo, and something to do in the end."""
        return {
            "name": self.name,
            "parameters": {"id": {"type": "string"}},
            "concurrency": concurrency,
            "steps": [
                self._writes("start", rollback=[self._writes("undone")]),
                {
                    "id": "work",
                    "type": "command",
                    "command": f"until [ -e {self.folder}/go ]; do sleep 0.05; done",
                },
            ],
            "finally": [self._writes("end")],
        }

    def _writes(self, word: str, **more: Any) -> dict[str, Any]:
        command = f"echo {word} {{{{ params.id }}}} >> {self.folder}/log"
        return {"id": word, "type": "command", "command": command, **more}

    def run(self, id: str, **concurrency: Any) -> Run:
        """Start a run; it has begun when this returns."""
        return self.run_document(id, self.document(**concurrency))

    def run_document(self, id: str, document: dict[str, Any]) -> Run:
        sessions: list[Session] = []

        def begin() -> State[Any]:
            with listening(ignore, sessions.append):
                return asyncio.run(_routed(document, id, self.engine))

        run = Run(self.pool.submit(contextvars.copy_context().run, begin), sessions)
        until(lambda: bool(sessions) or run.ending.done(), "the run")
        return run

    def let_go(self) -> None:
        """All runs may end."""
        (self.folder / "go").touch()

    @property
    def log(self) -> list[str]:
        """What the runs wrote."""
        file = self.folder / "log"
        return file.read_text().splitlines() if file.exists() else []

    def until_written(self, *lines: str, patience: float = PATIENCE) -> None:
        """Wait until the runs have written this, in this order, and nothing else."""
        until(lambda: len(self.log) >= len(lines), f"{lines}", patience)
        assert self.log == list(lines)


async def _routed(document: dict[str, Any], id: str, engine: Any) -> State[Any]:
    state: State[Any] = await route_workflow(
        document, {"id": id}, engine_preference=engine, force_engine=True, return_state=True
    )
    return state


def until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience:.0f} s in vain for: {what}"
        time.sleep(0.05)


@pytest.fixture
def site(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A document of its own for each test."""
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPSCONDUCTOR_CONCURRENCY_LEASE", str(LEASE))
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadPoolExecutor(8) as pool:
        made = Site(folder, pool, f"Work {uuid4()}")
        try:
            yield made
        finally:
            made.let_go()


def waiting(run: Run) -> bool:
    """Whether the run says in Prefect that it waits."""
    return any(tag.startswith("concurrency-waiting:") for tag in flow_run(run.id).tags)


def holds(run: Run) -> bool:
    """Whether the run says in Prefect that it holds a slot."""
    return any(tag.startswith("concurrency:") for tag in flow_run(run.id).tags)


def flow_run(id: str) -> FlowRun:
    async def read() -> FlowRun:
        async with get_client() as client:
            return await client.read_flow_run(UUID(id))

    return asyncio.run(read())


def cancelled(run_id: str) -> None:
    """Cancel a run, as the UI does."""

    async def cancel() -> None:
        async with get_client() as client:
            await client.set_flow_run_state(UUID(run_id), Cancelling())

    asyncio.run(cancel())


def lines_of(run: Run) -> str:
    """What the run's log in Prefect says."""

    async def read() -> str:
        async with PrefectClient() as client:
            return "\n".join(line.message for line in await client.logs(run.id))

    return asyncio.run(read())


def taken(site: Site) -> int:
    """How many slots of the site's document are held."""
    claim = claim_of(parse(site.document()), {"id": ""}, (), "")
    assert claim is not None
    name = claim.limit_name

    async def read() -> int:
        async with get_client() as client:
            return (await client.read_global_concurrency_limit_by_name(name)).active_slots

    return asyncio.run(read())


def one_after_the_other(lines: list[str]) -> bool:
    """Whether no run started before another one had ended."""
    starts, ends = lines[::2], lines[1::2]
    return all(
        start.split() == ["start", id] and end.split() == ["end", id]
        for start, end in zip(starts, ends, strict=True)
        for id in start.split()[1:]
    )


def test_runs_wait_for_each_other(site: Site) -> None:
    """Runs that begin at the same time work one after the other, and each says what it waits for."""
    first = site.run("a")
    site.until_written("start a")
    others = [site.run("b"), site.run("c")]
    until(lambda: all(map(waiting, others)), "both wait")
    assert holds(first)
    assert not any(map(holds, others))
    assert site.log == ["start a"]
    until(lambda: "Waiting, because 1 run" in lines_of(others[0]), "the line in the log")
    assert f"{site.name} ({first.id})" in lines_of(others[0])
    site.let_go()
    assert all(run.ended()[1].success for run in (first, *others))
    assert len(site.log) == 6
    assert one_after_the_other(site.log)
    assert all(map(holds, others))
    assert taken(site) == 0


def test_runs_on_celery_wait_as_well(
    site: Site, redis_url: str, celery_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The router counts, whichever engine does the work."""
    monkeypatch.setenv("OPSCONDUCTOR_BROKER_URL", redis_url)
    site.let_go()
    prefects = [site.run(id, limit=1) for id in "ab"]
    site.engine = "celery"
    celerys = [site.run(id, limit=1) for id in "cd"]
    results = [run.ended()[1] for run in (*prefects, *celerys)]
    assert [result.engine_used for result in results] == ["prefect", "prefect", "celery", "celery"]
    assert all(result.success for result in results)
    assert len(site.log) == 8
    assert one_after_the_other(site.log)


def test_a_run_that_waits_can_be_cancelled(site: Site) -> None:
    """Nothing of it has started; the one that holds the slot knows nothing of it."""
    first = site.run("a")
    site.until_written("start a")
    second = site.run("b")
    until(lambda: waiting(second), "it waits")
    cancelled(second.id)
    state, result = second.ended()
    assert state.is_cancelled()
    assert "Cancelled while it waited" in (state.message or "")
    assert (state.message or "").startswith(f"{result.error_message} (asked at ")
    assert {record.status for record in result.steps.values()} == {"cancelled"}
    assert taken(site) == 1
    site.let_go()
    assert first.ended()[1].success
    assert site.log == ["start a", "end a"]


def test_one_run_too_many_is_cancelled(site: Site) -> None:
    """At once, with the key and who holds it; up to the limit runs go on side by side."""
    holders = [site.run(id, limit=2, on_conflict="cancel", key="the {{ name }}") for id in "ab"]
    until(lambda: all(map(holds, holders)) and len(site.log) == 2, "both work")
    state, result = site.run("c", limit=2, on_conflict="cancel", key="the {{ name }}").ended()
    assert state.is_cancelled()
    assert result.cancelled
    assert not result.success
    message = state.message or ""
    assert f"2 runs of 'the {site.name}' at most" in message
    assert all(f"({holder.id})" in message for holder in holders)
    site.let_go()
    assert all(holder.ended()[1].success for holder in holders)
    assert not [line for line in site.log if line.endswith("c")]


def test_the_command_line_says_who_was_in_the_way(site: Site, server: Server, tmp_path: Path) -> None:
    """With the exit code of a cancelled run."""
    first = site.run("a")
    site.until_written("start a")
    file = tmp_path / "work.json"
    file.write_text(json.dumps(site.document(on_conflict="cancel")))
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "run", str(file), "--engine", "prefect", "--force", "-p", "id=b"],
        env=os.environ | {"PREFECT_API_URL": server.url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert first.id in done.stdout
    site.let_go()
    assert first.ended()[1].success
    assert site.log == ["start a", "end a"]


def test_a_run_takes_the_place_of_older_ones(site: Site) -> None:
    """They end in order, with all that belongs to it; only then the new one starts."""
    first = site.run("a", on_conflict="replace")
    site.until_written("start a")
    second = site.run("b", on_conflict="replace")
    third = site.run("c", on_conflict="replace")
    state, _ = first.ended()
    assert state.is_cancelled()
    assert second.ended()[0].is_cancelled()
    until(lambda: "start c" in site.log, "the last one works")
    assert site.log[:3] == ["start a", "undone a", "end a"]
    site.let_go()
    assert third.ended()[1].success
    assert site.log[-2:] == ["start c", "end c"]


def test_a_run_that_was_overtaken_is_replaced(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest one has the place, also where it came just when the place was free."""
    monkeypatch.setattr(admission, "SECONDS_BETWEEN_TRIES", 10.0)
    first = site.run("a", on_conflict="replace")
    site.until_written("start a")
    second = site.run("b", on_conflict="replace")
    assert first.ended()[0].is_cancelled()
    third = site.run("c", on_conflict="replace")
    assert second.ended()[0].is_cancelled()
    site.let_go()
    assert third.ended()[1].success
    assert site.log[-2:] == ["start c", "end c"]


def test_of_two_places_the_older_one_is_taken(site: Site) -> None:
    """As many runs end as it takes, the oldest first."""
    first = site.run("a", limit=2, on_conflict="replace")
    site.until_written("start a")
    second = site.run("b", limit=2, on_conflict="replace")
    site.until_written("start a", "start b")
    third = site.run("c", limit=2, on_conflict="replace")
    site.until_written("start a", "start b", "undone a", "end a", "start c")
    assert first.ended()[0].is_cancelled()
    site.let_go()
    assert second.ended()[1].success
    assert third.ended()[1].success


def test_a_changed_limit_counts_from_the_next_run(site: Site) -> None:
    """Another version of the document is the same document."""
    runs = [site.run("a", limit=1)]
    site.until_written("start a")
    runs.append(site.run("b", limit=2))
    site.until_written("start a", "start b")
    assert site.run("c", limit=1, on_conflict="cancel").ended()[0].is_cancelled()
    site.let_go()
    assert all(run.ended()[1].success for run in runs)


def test_another_key_is_not_in_the_way(site: Site) -> None:
    """A key is made of what the run was given."""
    key = "{{ name }} {{ params.id }}"
    runs = [site.run(id, key=key) for id in "ab"]
    until(lambda: len(site.log) == 2, "both work")
    site.let_go()
    assert all(run.ended()[1].success for run in runs)


def test_a_lost_lease_ends_no_run(site: Site, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on and says so in its log."""
    monkeypatch.setattr(slots, "_RENEWALS_PER_LEASE", 200)
    run = site.run("a")
    site.until_written("start a")
    for lease in server.leases.glob("????????-*.json"):
        lease.unlink()
    until(lambda: "lost its slot" in lines_of(run), "the warning")
    site.let_go()
    assert run.ended()[1].success


KILLED = """
import asyncio, json, sys
from flows.router import route_workflow
from flows.session import Session, listening
from steps.events import ignore
document = json.loads(sys.argv[1])
asyncio.run(route_workflow(document, {"id": "a"}, engine_preference="prefect", force_engine=True))
"""


def test_a_killed_run_frees_its_slot_when_its_lease_is_over(site: Site, server: Server) -> None:
    """Also when the server was restarted meanwhile."""
    environment = os.environ | {"PREFECT_API_URL": server.url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, json.dumps(site.document())]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    site.until_written("start a")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    site.let_go()
    server.end()
    server.start()
    assert taken(site) == 1
    after = site.run("b")
    until(lambda: waiting(after), "it waits")
    until(after.ending.done, "the slot is free", 2 * LEASE)
    assert after.ended()[1].success
    assert site.log == ["start a", "start b", "end b"]
