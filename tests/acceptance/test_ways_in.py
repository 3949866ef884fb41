"""Prefect's own ways to start the router: deploy, a worker, a run by hand, a schedule, an event, a block."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stack import ROOT, Stack, ask, wait_until

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("stack")]

DOCUMENT = {"name": "By event", "steps": [{"id": "one", "type": "set", "values": {"answer": 42}}]}


class Prefect:
    """Prefect's own command line and API, as a user of this installation has them."""

    def __init__(self, stack: Stack) -> None:
        self.api = stack.json("status")["prefect_api_url"]
        paths = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = stack.environment | {
            "PREFECT_API_URL": self.api,
            "PREFECT_HOME": str(stack.home / "client"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PATH": paths,
        }

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, path: str, body: Any) -> Any:
        return ask(f"{self.api}{path}", body)

    def ended_runs(self, deployment: str) -> list[Any]:
        """The runs of a deployment that have ended, whichever way."""
        found = self.ask(
            "/flow_runs/filter",
            {
                "deployments": {"name": {"any_": [deployment]}},
                "flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}},
            },
        )
        return list(found)

    def wait_for_run(self, deployment: str) -> Any:
        wait_until(lambda: bool(self.ended_runs(deployment)), patience=240, every=1)
        return self.ended_runs(deployment)[0]


@pytest.fixture(scope="module")
def prefect(stack: Stack) -> Iterator[Prefect]:
    """Everything of prefect.yaml deployed, and a worker that works."""
    prefect = Prefect(stack)
    prefect("work-pool", "create", "opsconductor", "--type", "process")
    prefect("deploy", "--all")
    worker = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "opsconductor"],
        cwd=ROOT,
        env=prefect.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield prefect
    worker.terminate()
    try:
        worker.wait(60)
    except subprocess.TimeoutExpired:  # Prefect's worker may wait for ever for runs that have ended
        worker.kill()
        worker.wait()


def test_deploy_makes_the_three_deployments(prefect: Prefect) -> None:
    """`prefect deploy --all --no-prompt`: all in the process pool, one with a schedule."""
    found = prefect.ask("/deployments/filter", {"work_pools": {"name": {"any_": ["opsconductor"]}}})
    assert {item["name"]: len(item["schedules"]) for item in found} == {
        "router": 0,
        "nightly-health-check": 1,
        "on-request": 0,
    }


def test_run_by_hand(prefect: Prefect) -> None:
    """`prefect deployment run --watch` ends well, and the run carries its decision."""
    prefect("deployment", "run", "route-workflow/router", "--params", '{"workflow": "disk_check"}', "--watch")
    run = prefect.wait_for_run("router")
    assert (run["state"]["type"], run["name"]) == ("COMPLETED", "Disk check")
    assert {"engine:celery", "level:simple"} <= set(run["tags"])


def test_run_by_schedule(prefect: Prefect) -> None:
    """A schedule whose time has come starts a run of the nightly deployment that ends well."""
    soon = (datetime.now(UTC) + timedelta(seconds=40)).isoformat()
    # Again and again: on a busy machine the first moment may have passed when the schedule is known.
    every_minute = ("--interval", "60", "--anchor-date", soon)
    prefect("deployment", "schedule", "create", "route-workflow/nightly-health-check", *every_minute)
    run = prefect.wait_for_run("nightly-health-check")
    assert (run["state"]["type"], run["name"]) == ("COMPLETED", "Health check")
    assert run["auto_scheduled"]


def test_run_by_event(prefect: Prefect) -> None:
    """An event brings a whole document and its wishes; they arrive as what they are, not as text."""
    payload = {"workflow": DOCUMENT, "engine_preference": "prefect"}
    prefect(
        "event",
        "emit",
        "opsconductor.workflow.requested",
        "--resource-id",
        "tests",
        "--payload",
        json.dumps(payload),
    )
    run = prefect.wait_for_run("on-request")
    assert run["state"]["type"] == "COMPLETED", run["state"]
    assert run["parameters"]["workflow"] == DOCUMENT
    assert "engine:prefect" in run["tags"]


def test_blocks_are_used_where_they_are(prefect: Prefect, stack: Stack) -> None:
    """A policy block decides; without it the score does again."""
    prefect("block", "register", "-m", "blocks")
    rule = "{'name': 'all on Prefect', 'engine': 'prefect'}"
    save = f"from blocks import RoutingPolicy; RoutingPolicy(rules=[{rule}]).save('default')"
    subprocess.run(
        [sys.executable, "-c", save], cwd=ROOT, env=prefect.environment, check=True, capture_output=True
    )
    ruled = stack.json("run", "disk_check")
    prefect("block", "delete", "routing-policy/default")
    assert (ruled["engine_used"], ruled["decision"]["stage"]) == ("prefect", "policy")
    assert "all on Prefect" in ruled["decision"]["reason"]
    assert stack.json("run", "disk_check")["engine_used"] == "celery"
