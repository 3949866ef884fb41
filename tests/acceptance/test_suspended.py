"""Runs that wait for people without a process, and come back when there is an answer."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stack import Stack, free_port, wait_until
from tests.acceptance.test_ways_in import Prefect

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("suspended")]


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation whose runs leave as soon as they only wait."""
    stack = Stack(tmp_path_factory.mktemp("suspended") / "home", (("OPSCONDUCTOR_SUSPEND_AFTER", "0"),))
    try:
        up = stack("up", "--port", str(free_port()))
        assert up.returncode == 0, up.stdout + up.stderr
        yield stack
    finally:
        stack("down")


class Started:
    """A run of a document whose steps leave lines in a file."""

    def __init__(self, stack: Stack, folder: Path, steps: list[dict[str, Any]], **more: Any) -> None:
        self.stack, self.effects = stack, folder / "effects"
        file = folder / "document.json"
        made = [self._step(**step) for step in steps]
        file.write_text(json.dumps({"name": f"Suspended {folder.name}", "steps": made, **more}))
        self.id = stack.json("run", str(file), "--no-wait")["execution_id"]

    def _step(self, id: str, **more: Any) -> dict[str, Any]:
        if "type" in more:
            return {"id": id, **more}
        return {"id": id, "type": "command", "command": f"echo {id} >> {self.effects}", **more}

    @property
    def state(self) -> str:
        return str(self.stack.flow_run(self.id)["state"]["name"])

    def until(self, *states: str) -> None:
        wait_until(lambda: self.state in states, every=0.3)

    def done(self) -> list[str]:
        """What was done until now, in order."""
        return self.effects.read_text().split()


ASK = {"id": "ask", "type": "approval", "message": "Go?"}


def test_nothing_is_done_twice(impatient: Stack, tmp_path: Path) -> None:
    """The process is gone while the run waits; in the next one it goes on, here at each of two questions."""
    slow = f"sleep 3; echo beside >> {tmp_path / 'effects'}"
    run = Started(
        impatient,
        tmp_path,
        [
            {"id": "once", "idempotent": False},
            ASK,
            {"id": "beside", "command": slow, "depends_on": ["once"]},
            {"id": "both", "depends_on": ["ask", "beside"]},
            {"id": "inner", "type": "workflow", "workflow": "part", "depends_on": ["both"]},
        ],
        workflows={"part": {"name": "Part", "steps": [{**ASK, "id": "again"}]}},
        outputs={"by": "{{ steps.ask.result.by }}"},
    )
    run.until("AwaitingApproval")
    assert run.done() == ["once", "beside"]
    journal = impatient.home / "journals" / f"{run.id}.jsonl"
    with journal.open("rb") as file:  # as a process does that is at the run: this waits for its end
        fcntl.flock(file, fcntl.LOCK_EX)
    assert impatient("approve", run.id, "ask", "--by", "ann").returncode == 0
    wait_until(lambda: "both" in run.done())
    run.until("AwaitingApproval")
    assert impatient("approve", run.id, "inner/again").returncode == 0
    run.until("Completed", "Failed")
    assert run.state == "Completed"
    assert run.done() == ["once", "beside", "both"]


def test_an_answer_in_the_form(impatient: Stack, tmp_path: Path) -> None:
    """Brings the run back as well."""
    run = Started(impatient, tmp_path, [ASK, {"id": "after"}])
    run.until("AwaitingApproval")
    prefect = Prefect(impatient)
    tagged = {"tags": {"all_": ["approval"]}, "state": {"type": {"any_": ["PAUSED"]}}}
    (question,) = prefect.ask("/flow_runs/filter", {"flow_runs": tagged})
    body = {"run_input": {"approve": "no", "by": "ann", "comment": "late"}}
    prefect.ask(f"/flow_runs/{question['id']}/resume", body)
    run.until("Completed", "Failed")
    assert impatient.flow_run(run.id)["state"]["message"] == "step 'ask' failed: denied by ann: late"
    assert impatient.flow_run(question["id"])["state"]["name"] == "Denied"


def test_a_run_that_waits_is_cancelled(impatient: Stack, tmp_path: Path) -> None:
    """It comes back to undo what it did, and its question is withdrawn."""
    undo = {"id": "undo", "type": "command", "command": f"echo undo >> {tmp_path / 'effects'}"}
    end = {"id": "end", "type": "command", "command": f"echo end >> {tmp_path / 'effects'}"}
    run = Started(impatient, tmp_path, [{"id": "work", "rollback": [undo]}, ASK], **{"finally": [end]})
    run.until("AwaitingApproval")
    cancelled = impatient("cancel", run.id)
    assert cancelled.returncode == 0, cancelled.stderr
    assert run.done() == ["work", "undo", "end"]
    late = impatient("approve", run.id)
    assert "waits for none" in late.stderr


def test_a_run_that_waits_is_cancelled_in_prefect(impatient: Stack, tmp_path: Path) -> None:
    """It ends at once, where it stands; another try goes on with it and its question."""
    run = Started(impatient, tmp_path, [{"id": "work"}, ASK, {"id": "after"}])
    run.until("AwaitingApproval")
    Prefect(impatient).ask(f"/flow_runs/{run.id}/set_state", {"state": {"type": "CANCELLING"}})
    assert run.state == "Cancelled"
    assert impatient("retry", run.id, "--no-wait").returncode == 0
    run.until("AwaitingApproval")
    assert impatient("approve", run.id).returncode == 0
    run.until("Completed", "Failed")
    assert run.done() == ["work", "after"]


@pytest.mark.parametrize(
    ("step", "document", "message"),
    [
        ({"timeout": 6}, {}, "step 'ask' failed: nobody answered within 6s"),
        ({}, {"timeout": 6}, "the workflow took longer than its timeout of 6s"),
    ],
)
def test_time_goes_on(
    impatient: Stack, tmp_path: Path, step: dict[str, Any], document: dict[str, Any], message: str
) -> None:
    """That of the question and that of the workflow."""
    run = Started(impatient, tmp_path, [{**ASK, **step}], **document)
    run.until("AwaitingApproval")
    run.until("Failed")
    assert message in impatient.flow_run(run.id)["state"]["message"]


def test_another_machine_does_not_begin_anew(impatient: Stack, tmp_path: Path) -> None:
    """It does not know what was done, and says so."""
    run = Started(impatient, tmp_path, [{"id": "work"}, ASK])
    run.until("AwaitingApproval")
    (impatient.home / "journals" / f"{run.id}.jsonl").rename(tmp_path / "elsewhere")
    assert impatient("approve", run.id).returncode == 0
    run.until("Failed")
    assert "is not known on" in impatient.flow_run(run.id)["state"]["message"]
    assert run.done() == ["work"]


def test_an_answer_while_nobody_is_at_the_run(impatient: Stack, tmp_path: Path) -> None:
    """A question outlives the process that asked: the next try finds what was answered meanwhile."""
    file, effects = tmp_path / "document.json", tmp_path / "effects"
    work = {"id": "work", "type": "command", "command": f"echo work >> {effects}"}
    name = f"Asked {tmp_path.name}"
    file.write_text(json.dumps({"name": name, "steps": [work, ASK]}))
    running = impatient.start("run", str(file), "--json")
    prefect = Prefect(impatient)
    paused = {"name": {"any_": [f"{name}: ask"]}, "state": {"type": {"any_": ["PAUSED"]}}}
    wait_until(lambda: bool(prefect.ask("/flow_runs/filter", {"flow_runs": paused})), every=0.3)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(30)
    assert impatient("approve", name, "--by", "ann").returncode == 0
    result = impatient.json("retry", name)
    assert result["steps"]["ask"]["result"]["by"] == "ann"
    assert effects.read_text() == "work\n"
