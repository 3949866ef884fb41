"""Runs that are tried again, by the command line and by Prefect, after a failure and after a death."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stack import Stack, wait_until
from tests.acceptance.test_ways_in import Prefect

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("stack")]


def written(folder: Path, engine: str, **second: Any) -> Path:
    """A document whose second step fails until somebody mends what it misses; each leaves a line behind."""
    done, mended = folder / "done", folder / "mended"
    steps = [
        {
            "id": "a",
            "command": f"echo a >> {done}; echo 42",
            "outputs": {"n": "{{ result.stdout | trim | int }}"},
        },
        {"id": "b", "command": f"echo b >> {done}; [ -e {mended} ]", **second},
        {"id": "c", "command": f"echo c{{{{ steps.a.outputs.n }}}} >> {done}"},
    ]
    document = {
        "name": f"Again on {engine} in {folder.name}",
        "engine": {"prefer": engine, "force": True},
        "steps": [{"type": "command", **step} for step in steps],
    }
    file = folder / "again.json"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize("engine", ["celery", "prefect"])
def test_a_run_is_tried_again(stack: Stack, tmp_path: Path, engine: str) -> None:
    """By `retry`, in the same flow run: what succeeded is kept; `--from` does it again all the same."""
    file = written(tmp_path, engine)
    failed = stack.json("run", str(file), code=1)
    (tmp_path / "mended").touch()
    result = stack.json("retry", failed["execution_id"])
    assert result["execution_id"] == failed["execution_id"]
    assert (result["success"], result["steps_completed"]) == (True, 3)
    assert (tmp_path / "done").read_text().split() == ["a", "b", "b", "c42"]
    assert stack.flow_run(result["execution_id"])["state"]["type"] == "COMPLETED"
    wait_until(lambda: stack("logs", result["execution_id"]).stdout.count("Kept from before: a\n") == 1)
    stack.json("retry", result["execution_id"], "--from", "c")
    assert (tmp_path / "done").read_text().split() == ["a", "b", "b", "c42", "c42"]
    refused = stack.json("retry", result["execution_id"], "--from", "d", code=2)
    assert refused["error"]["message"].endswith("it has no step 'd'; name one of: a, b, c.")
    assert stack.flow_run(result["execution_id"])["state"]["type"] == "COMPLETED"


@pytest.mark.parametrize("engine", ["celery", "prefect"])
def test_prefects_own_retry(stack: Stack, tmp_path: Path, engine: str) -> None:
    """What the button in the UI does; the command does the same, and shows the log of this try."""
    prefect = Prefect(stack)
    started = stack.json("run", str(written(tmp_path, engine)), "--no-wait")
    run_id = started["execution_id"]
    wait_until(lambda: stack.flow_run(run_id)["state"]["type"] == "FAILED")
    retry = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}}
    assert prefect.ask(f"/flow_runs/{run_id}/set_state", retry)["status"] == "ACCEPT"
    wait_until(lambda: (tmp_path / "done").read_text().split() == ["a", "b", "b"])
    wait_until(lambda: stack.flow_run(run_id)["state"]["type"] == "FAILED")
    (tmp_path / "mended").touch()
    done = stack("retry", run_id)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Finished in state Completed()" in done.stdout
    assert "step 'b' failed" not in done.stdout
    assert "Completed()" in stack("logs", run_id, "--follow").stdout.splitlines()[-1]
    assert (tmp_path / "done").read_text().split() == ["a", "b", "b", "b", "c42"]


@pytest.mark.parametrize("deployed", [False, True])
def test_two_at_once(stack: Stack, tmp_path: Path, deployed: bool) -> None:
    """One of them has the run tried again, the other one is told so; nothing is done twice."""
    go, end, mended = tmp_path / "go", tmp_path / "end", tmp_path / "mended"
    slow = f"[ -e {mended} ] || exit 1; until [ -e {go} ]; do sleep 0.1; done"
    file = written(tmp_path, "prefect", command=f"echo b >> {tmp_path / 'done'}; {slow}")
    document = json.loads(file.read_text())
    document["finally"] = [{"id": "z", "type": "command", "command": f"echo z >> {end}"}]
    file.write_text(json.dumps(document))
    started = stack.json("run", str(file), "--no-wait") if deployed else stack.json("run", str(file), code=1)
    run_id = started["execution_id"]
    wait_until(lambda: stack.flow_run(run_id)["state"]["type"] == "FAILED")
    mended.touch()
    tries = [stack.start("retry", run_id) for _ in range(2)]
    wait_until(lambda: any(one.poll() is not None for one in tries))
    (refused,) = (one for one in tries if one.poll() is not None)
    said = refused.communicate()
    assert refused.returncode == 2, said
    assert "can't be tried again: " in said[1]
    assert "it is already being tried again" in said[1]
    go.touch()
    (done,) = (one for one in tries if one is not refused)
    said = done.communicate()
    assert done.returncode == 0, said
    assert (tmp_path / "done").read_text().split() == ["a", "b", "b", "c42"]
    assert end.read_text() == "z\nz\n"


def test_after_a_death(stack: Stack, tmp_path: Path) -> None:
    """The next try goes on; what must not begin twice is lost until somebody says otherwise."""
    up = tmp_path / "up"
    slow = f"echo b >> {tmp_path / 'done'}; [ -e {up} ] || {{ touch {up}; sleep 600; }}"
    file = written(tmp_path, "prefect", command=slow, idempotent=False)
    running = stack.start("run", str(file), "--json")
    wait_until(up.exists)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(30)
    name = json.loads(file.read_text())["name"]
    lost = stack.json("retry", name, code=1)
    assert {id: step["status"] for id, step in lost["steps"].items()} == {
        "a": "succeeded",
        "b": "lost",
        "c": "blocked",
    }
    assert f"opsconductor retry {lost['execution_id']} --from b" in lost["error_message"]
    parts = stack.json("status", lost["execution_id"])["parts"]
    # What the killed process had not yet told Prefect of its tasks is lost with it.
    assert [part["state"] for part in parts if part["kind"] == "flow"] == ["Crashed", "Lost"]
    assert stack.json("retry", lost["execution_id"], "--from", "b")["success"]
    assert (tmp_path / "done").read_text().split() == ["a", "b", "b", "c42"]


@pytest.mark.parametrize("engine", ["celery", "prefect"])
def test_a_run_whose_process_died_is_cancelled(stack: Stack, tmp_path: Path, engine: str) -> None:
    """What it did is undone, what a worker still does for it is ended, and the run is Cancelled."""
    up, undone = tmp_path / "up", tmp_path / "undone"
    document = {
        "name": f"Dies on {engine} in {tmp_path.name}",
        "engine": {"prefer": engine, "force": True},
        "steps": [
            {
                "id": "a",
                "type": "command",
                "command": "true",
                "rollback": [{"id": "undo", "type": "command", "command": f"touch {undone}"}],
            },
            {"id": "b", "type": "command", "command": f"touch {up}; exec sleep 600"},
        ],
    }
    file = tmp_path / "dies.json"
    file.write_text(json.dumps(document))
    running = stack.start("run", str(file), "--json")
    wait_until(up.exists)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(30)
    ended = stack.json("cancel", str(document["name"]))
    assert (ended["state"], undone.exists()) == ("CANCELLED", True)
    assert "stopped" in ended["message"] or "did not start" in ended["message"]


def test_what_can_not_be_tried_again(stack: Stack, tmp_path: Path) -> None:
    """Is told so, with the reason; nothing is changed by it."""
    failed = stack.json("run", str(written(tmp_path, "prefect")), code=1)["execution_id"]
    unknown = stack.json("retry", failed, "--from", "nope", code=2)
    assert "name one of: a, b, c" in unknown["error"]["message"]
    assert "Leave --no-wait out" in stack.json("retry", failed, "--no-wait", code=2)["error"]["message"]
    (tmp_path / "mended").touch()
    assert stack.json("retry", failed)["success"]
