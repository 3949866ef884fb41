"""How a Prefect server is judged by what it says."""

from dataclasses import replace
from typing import Any

import pytest

from doctor.clocks import Clock, judge_clock
from doctor.findings import State
from doctor.prefect_checks import (
    MANY_RUNS,
    judge_clean_up,
    judge_database,
    judge_deployments,
    judge_heartbeats,
    judge_late,
    judge_leases,
    judge_pools,
    judge_version,
)
from doctor.prefect_server import Deployment, Pool, PrefectSeen, Watch
from tests.unit.findings import states, the

OWN = PrefectSeen("http://prefect/api", own=True, unanswered=("it answers 404 to /x",))
TESTED = ">=3.8.8,<3.9"
APPROVAL = "prefect.flow-run.AwaitingApproval"


def told(**server: Any) -> PrefectSeen:
    """A server of the user's that tells these settings."""
    return replace(OWN, settings={"server": server})


@pytest.mark.parametrize(
    ("server", "state", "words"),
    [
        ("3.8.8", "ok", ("3.8.8",)),
        ("3.8.12", "ok", ()),
        ("3.9.0", "warning", (TESTED, "3.9.0")),
        ("3.7.3", "warning", ("older", "prefect==3.7.3")),
        ("2.20.1", "error", ("major", "3.8.8")),
        ("4.0.0", "error", ("major",)),
        (None, "skipped", ()),
    ],
)
def test_version(server: str | None, state: State, words: tuple[str, ...]) -> None:
    """The server is of the client's make and in the tested range."""
    seen = replace(OWN, server_version=server)
    the(judge_version(seen, "3.8.8", TESTED), state, *words)


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (told(database={"driver": "postgresql+asyncpg"}), "ok", ("PostgreSQL",)),
        (told(database={"driver": "sqlite+aiosqlite"}), "warning", ("SQLite", "postgresql+asyncpg://")),
        (replace(told(database={"driver": None}), database_file=True), "warning", ("SQLite",)),
        (told(database={"driver": None}), "skipped", ("secret",)),
        (OWN, "skipped", ()),
        (replace(OWN, own=False), "ok", ("SQLite",)),
        (replace(OWN, own=False, flow_runs=MANY_RUNS), "ok", ()),
        (replace(OWN, own=False, flow_runs=MANY_RUNS + 1), "warning", (str(MANY_RUNS + 1), "PostgreSQL")),
        (replace(OWN, database_file=True, flow_runs=MANY_RUNS + 1), "warning", (str(MANY_RUNS + 1),)),
    ],
)
def test_database(seen: PrefectSeen, state: State, words: tuple[str, ...]) -> None:
    """SQLite is for the built-in server and a bounded number of runs."""
    the(judge_database(seen), state, *words)


@pytest.mark.parametrize(
    ("enabled", "state"),
    [
        (["events", "flow_runs"], "ok"),
        (True, "ok"),
        (["events"], "warning"),
        (["events", "orphans"], "warning"),
        (False, "warning"),
        (None, "warning"),
        ([], "warning"),
    ],
)
def test_clean_up(enabled: Any, state: State) -> None:
    """Flow runs are deleted some day; Prefect leaves that off."""
    seen = told(services={"db_vacuum": {"enabled": enabled, "retention_period": "P90D"}})
    words = ("90 days",) if state == "ok" else ("PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED=events,flow_runs",)
    the(judge_clean_up(seen), state, *words)


def test_clean_up_of_a_silent_server() -> None:
    """A server that doesn't tell its settings is not accused of anything."""
    the(judge_clean_up(OWN), "skipped")
    the(judge_leases(OWN), "skipped")


@pytest.mark.parametrize(("storage", "state"), [("memory", "warning"), ("filesystem", "ok")])
def test_leases(storage: str, state: State) -> None:
    """Slots of concurrency outlive a restart."""
    seen = told(concurrency={"lease_storage": f"prefect.server.concurrency.lease_storage.{storage}"})
    the(judge_leases(seen), state)


@pytest.mark.parametrize(
    ("within", "heartbeat", "expects", "state", "words"),
    [
        (90.0, 30.0, (APPROVAL,), "ok", ()),
        (90.0, 30.0, ("prefect.flow-run.*",), "ok", ()),
        (89.0, 30.0, (APPROVAL,), "error", ("89 s", "90 s")),
        (90.0, 180.0, (APPROVAL,), "error", ("540 s",)),
        (90.0, None, (APPROVAL,), "error", ("PREFECT_FLOWS_HEARTBEAT_FREQUENCY",)),
        (90.0, 30.0, ("prefect.flow-run.Completed",), "warning", (APPROVAL,)),
    ],
)
def test_heartbeats(
    within: float, heartbeat: float | None, expects: tuple[str, ...], state: State, words: tuple[str, ...]
) -> None:
    """What calls silent runs crashed waits for three heartbeats, and knows of approvals."""
    seen = replace(OWN, watches=(Watch("zombies", within, expects),), heartbeat=heartbeat)
    the(judge_heartbeats(seen), state, "zombies", *words)


def test_no_automation_on_heartbeats() -> None:
    """Without one nothing can go wrong; unknown ones are unknown."""
    the(judge_heartbeats(replace(OWN, watches=())), "ok")
    the(judge_heartbeats(OWN), "skipped")


@pytest.mark.parametrize(
    ("deployment", "state", "words"),
    [
        (Deployment("route-workflow/embedded", True, False, None), "ok", ("embedded",)),
        (Deployment("route-workflow/embedded", False, False, None), "error", ("embedded",)),
        (Deployment("route-workflow/router", False, False, "ours"), "ok", ("'ours'",)),
        (Deployment("route-workflow/router", True, True, "ours"), "warning", ("paused",)),
    ],
)
def test_deployments(deployment: Deployment, state: State, words: tuple[str, ...]) -> None:
    """Each deployment of the router is served or has a pool, which is judged for itself."""
    seen = replace(OWN, deployments=(deployment,), pools=(Pool("ours", "process", False, 0, 0),))
    the(judge_deployments(seen), state, *words)


def test_no_deployments() -> None:
    """A router that is nowhere deployed can't be started by schedules."""
    the(judge_deployments(replace(OWN, deployments=())), "warning", "prefect deploy --all")
    the(judge_deployments(OWN), "skipped")


@pytest.mark.parametrize(
    ("pool", "state", "words"),
    [
        (Pool("ours", "process", False, 1, 3), "ok", ()),
        (Pool("ours", "process", False, 0, 0), "error", ("Late", "prefect worker start --pool ours", "none")),
        (Pool("ours", "process", False, 0, 2), "error", ("2 were there",)),
        (Pool("ours", "process", True, 1, 0), "warning", ("paused",)),
        (Pool("ours", "modal:push", False, 0, 0), "ok", ()),
        (Pool("ours", "prefect:managed", False, 0, 0), "ok", ()),
    ],
)
def test_pools(pool: Pool, state: State, words: tuple[str, ...]) -> None:
    """A pool whose kind needs workers has one online."""
    the(judge_pools(replace(OWN, pools=(pool,))), state, "'ours'", *words)


@pytest.mark.parametrize(("late", "state"), [(0, "ok"), (1, "warning"), (7, "warning"), (None, "skipped")])
def test_late_runs(late: int | None, state: State) -> None:
    """Late runs are counted."""
    the(judge_late(replace(OWN, late=late)), state)


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        (Clock(0.0, 0.0), "ok"),
        (Clock(1.9, 0.0), "ok"),
        (Clock(-2.1, 0.0), "warning"),
        (Clock(3.0, 1.5), "ok"),
        (Clock(61.0, 0.5), "error"),
        (Clock(-61.0, 0.5), "error"),
    ],
)
def test_clocks(clock: Clock, expected: State) -> None:
    """Only what a clock is surely wrong by counts."""
    finding = the(judge_clock(clock, "the broker"), expected, "the broker")
    if expected != "ok":
        assert ("behind" in finding.what) == (clock.ahead < 0)


def test_a_clock_that_is_not_told() -> None:
    """Nothing is said of it."""
    assert states(judge_clock(None, "the broker")) == []


def test_reading_a_clock() -> None:
    """The answer was given somewhere between question and arrival; a date was cut down to whole seconds."""
    exact = Clock.read(1005.0, asked_at=1000.0, took=2.0)
    assert (exact.ahead, exact.uncertain) == (4.0, 1.0)
    cut = Clock.read(1000.0, asked_at=1000.4, took=0.2, grain=1.0)
    assert abs(cut.ahead) < 1e-9
    assert cut.surely == 0.0
