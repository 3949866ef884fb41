"""`opsconductor doctor` on an installation of `up`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest

from tests.acceptance.stack import Stack, ask

PATIENCE = 180.0

pytestmark = pytest.mark.xdist_group("stack")


@contextmanager
def deployed(stack: Stack, pool: str) -> Iterator[None]:
    """The router deployed to a work pool that nobody works for, and an automation that is too impatient."""
    [flow] = ask(f"{stack.api}/flows/filter", {"flows": {"name": {"any_": ["route-workflow"]}}})
    ask(f"{stack.api}/work_pools/", {"name": pool, "type": "process"})
    made = {"name": pool, "flow_id": flow["id"], "work_pool_name": pool}
    deployment = ask(f"{stack.api}/deployments/", made)["id"]
    trigger = {
        "type": "event",
        "posture": "Proactive",
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "for_each": ["prefect.resource.id"],
        "after": ["prefect.flow-run.heartbeat"],
        "expect": ["prefect.flow-run.heartbeat", "prefect.flow-run.Completed"],
        "within": 60,
    }
    impatient = {"name": pool, "trigger": trigger, "actions": [{"type": "do-nothing"}]}
    automation = ask(f"{stack.api}/automations/", impatient)["id"]
    try:
        yield
    finally:
        ask(f"{stack.api}/automations/{automation}", method="DELETE")
        ask(f"{stack.api}/deployments/{deployment}", method="DELETE")
        ask(f"{stack.api}/work_pools/{pool}", method="DELETE")


def not_ok(told: Any) -> list[tuple[str, str, str]]:
    """What is not as it should be."""
    return [(one["part"], one["check"], one["state"]) for one in told["findings"] if one["state"] != "ok"]


def shown(stack: Stack, expected: list[tuple[str, str, str]]) -> Any:
    """What the doctor tells once just this is not as it should be.

    It looks again: a machine that stands still for a moment is one whose servers don't answer.
    """
    deadline = monotonic() + PATIENCE
    while True:
        told = json.loads(stack("doctor", "--json").stdout)
        if not_ok(told) == expected or monotonic() > deadline:
            assert not_ok(told) == expected
            return told


@pytest.mark.timeout(600)
def test_all_is_well(stack: Stack) -> None:
    """Of what `up` started nothing is wrong or doubtful, and nothing stays unknown; no password is told."""
    told = shown(stack, [])
    assert told["healthy"] is True
    parts = {one["part"] for one in told["findings"]}
    assert parts == {"home", "documents", "packages", "prefect", "broker", "results", "workers"}
    done = stack("doctor")
    assert "route-workflow/embedded is served" in done.stdout
    password = stack.broker_url.partition("://:")[2].partition("@")[0]
    assert password
    assert password not in done.stdout + done.stderr + json.dumps(told)


@pytest.mark.timeout(900)
def test_a_prefect_server_of_ones_own(stack: Stack) -> None:
    """SQLite behind it, a pool without workers and an impatient automation are found and explained."""
    own = stack.using(PREFECT_API_URL=stack.api, PREFECT_HOME=str(stack.home / "profile"))
    sqlite = ("prefect", "database", "warning")
    wrong = [sqlite, ("prefect", "heartbeats", "error"), ("prefect", "work pools", "error")]
    with deployed(stack, "idle"):
        told = shown(own, wrong)
    assert told["healthy"] is False
    [pool] = [one for one in told["findings"] if one["check"] == "work pools"]
    assert "prefect worker start --pool idle" in pool["cure"]
    assert shown(own, [sqlite])["healthy"] is True


def test_a_stopped_installation(fresh: Stack) -> None:
    """One that is not there yet is an error with its cure, nothing is left behind by looking."""
    done = fresh("doctor")
    assert done.returncode == 1
    assert "opsconductor up" in done.stdout
    assert not fresh.home.exists()
