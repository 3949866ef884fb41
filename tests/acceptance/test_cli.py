"""The command line against real servers: a Prefect server, a broker and a Celery worker."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegen.result import RunResult
from tests.acceptance.stack import Stack, free_port, interrupt, is_alive, wait_until

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("stack")]

NAP = """\
name: {name}
parameters: {{file: {{type: string}}}}
steps:
  - {{id: nap, type: script, script: 'echo $$ > {{{{ params.file }}}}; exec sleep 1000'}}
  - {{id: never, type: command, command: ["true"]}}
"""
FAILS = """\
name: Fails
steps:
  - {id: first, type: command, command: [echo, "out of first"]}
  - {id: breaks, type: script, script: "echo to-stderr >&2; exit 3"}
  - {id: never, type: command, command: ["true"]}
on_failure:
  - {id: told, type: notification, message: "{{ error.step }} broke"}
"""
STUBBORN = """\
name: Stubborn
steps:
  - {{id: nap, type: script, script: 'echo $$ >> {file}; exec sleep 1000'}}
finally:
  - {{id: tidy, type: script, script: 'echo $$ >> {file}; exec sleep 1000'}}
"""
TALKS = """\
name: Talks
steps:
  - {id: talk, type: command, command: [seq, "1", "450"]}
"""


class Nap:
    """A workflow that sleeps until it is ended, and the process that sleeps."""

    def __init__(self, folder: Path, name: str = "Nap") -> None:
        self.name = name
        self.document = folder / "nap.yaml"
        self.document.write_text(NAP.format(name=name))
        self._file = folder / "pid"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What follows `run`."""
        return (str(self.document), "-p", f"file={self._file}")

    def has_begun(self) -> bool:
        return self._file.exists() and bool(self._file.read_text().strip())

    @property
    def pid(self) -> int:
        return int(self._file.read_text())

    def is_over(self) -> bool:
        return not is_alive(self.pid)


@pytest.fixture
def nap(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nap]:
    """A nap of its own name; a sleeper that is left over is killed."""
    nap = Nap(tmp_path, f"Nap {tmp_path.name}")
    yield nap
    if nap.has_begun() and not nap.is_over():
        os.kill(nap.pid, signal.SIGKILL)


def result_of(done: "subprocess.CompletedProcess[str]") -> RunResult:
    """Standard output is exactly one RunResult."""
    return RunResult.model_validate_json(done.stdout)


@pytest.mark.parametrize(
    ("document", "engine"),
    [("examples/disk_check.yaml", "celery"), ("examples/incident_triage.yaml", "prefect")],
)
def test_run_goes_to_the_engine_that_suits_it(document: str, engine: str, stack: Stack) -> None:
    """Steps go to standard error; decision, result and link to standard output; Prefect has the run."""
    done = stack("run", document)
    assert done.returncode == 0, done.stdout + done.stderr
    decision, verdict, *_, link = done.stdout.splitlines()
    assert engine in decision.lower()
    assert verdict.startswith("Done: ")
    assert f"on {engine}" in verdict
    run = stack.flow_run(link.rpartition("/")[2])
    assert run["state"]["type"] == "COMPLETED"
    assert f"engine:{engine}" in run["tags"]
    assert "succeeded in" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("engine", ["celery", "prefect"])
def test_json_is_one_result(engine: str, stack: Stack) -> None:
    """Parameters come through; all that is not the result is on standard error."""
    done = stack("run", "disk_check", "--engine", engine, "--force", "-p", "threshold=100", "--json")
    assert done.returncode == 0, done.stderr
    result = result_of(done)
    assert (result.success, result.engine_used, result.decision.stage) == (True, engine, "force")
    assert isinstance(result.result_data["percent"], int)
    assert stack.flow_run(result.execution_id)["state"]["type"] == "COMPLETED"
    assert "usage" in done.stderr


@pytest.mark.parametrize("engine", ["celery", "prefect"])
def test_a_workflow_that_fails(engine: str, stack: Stack, tmp_path: Path) -> None:
    """Exit code 1; the failed step and its error are named; its handler ran; Prefect says Failed."""
    (tmp_path / "fails.yaml").write_text(FAILS)
    done = stack("run", str(tmp_path / "fails.yaml"), "--engine", engine, "--force")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Failed: step 'breaks' failed" in done.stdout
    line = FAILS[: FAILS.index("id: breaks")].count("\n") + 1
    assert f"{tmp_path}/fails.yaml:{line}:5: here is the step that failed" in done.stderr.replace("\n", " ")
    again = stack("run", str(tmp_path / "fails.yaml"), "--engine", engine, "--force", "--json")
    assert again.returncode == 1
    result = result_of(again)
    assert not result.success
    assert {id: record.status for id, record in result.steps.items()} == {
        "first": "succeeded",
        "breaks": "failed",
        "never": "blocked",
        "told": "succeeded",
    }
    assert stack.flow_run(result.execution_id)["state"]["type"] == "FAILED"


def test_a_document_on_standard_input(stack: Stack) -> None:
    """`-` is a document like any other."""
    done = stack("run", "-", "--json", given=TALKS)
    assert done.returncode == 0, done.stderr
    assert result_of(done).steps["talk"].status == "succeeded"


def test_a_bad_document_starts_nothing(fresh: Stack) -> None:
    """Exit code 2 and every problem with its place; no installation is made for it."""
    done = fresh("run", "-", given="name: Bad\nsteps:\n  - {id: a, type: comand}\n")
    assert done.returncode == 2
    assert "<stdin>:3:" in done.stderr
    assert done.stdout == ""
    assert not fresh.home.exists()


@pytest.mark.parametrize(
    "command", [["run", "disk_check"], ["status", "some-run"], ["logs", "x"], ["cancel", "x"]]
)
def test_a_prefect_server_that_is_not_there(command: list[str], fresh: Stack) -> None:
    """Exit code 3, said at once, naming the address and the variable; nothing is started in its place."""
    url = f"http://127.0.0.1:{free_port()}/api"
    done = fresh.using(PREFECT_API_URL=url)(*command)
    assert done.returncode == 3, done.stdout + done.stderr
    assert url in done.stderr
    assert "PREFECT_API_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert not fresh.home.exists()


def test_a_broker_that_is_not_there(stack: Stack) -> None:
    """Exit code 3 when the workflow would go to a broker that doesn't answer."""
    port = free_port()
    own = stack.using(
        PREFECT_API_URL=stack.api,
        OPSCONDUCTOR_BROKER_URL=f"redis://:s3cret@127.0.0.1:{port}/0",
    )
    done = own("run", "disk_check", "--json")
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"127.0.0.1:{port}" in json.loads(done.stdout)["error"]["message"]
    assert "s3cret" not in done.stdout + done.stderr


def test_a_worker_that_is_not_there(stack: Stack) -> None:
    """Exit code 3, within seconds: nobody takes from the queue, and the message says what to start."""
    lonely = stack.using(
        OPSCONDUCTOR_BROKER_URL=stack.broker_url,
        OPSCONDUCTOR_QUEUE="nobodys",
        OPSCONDUCTOR_WORKER_TIMEOUT="1",
    )
    done = lonely("run", "disk_check", "--json")
    assert done.returncode == 3, done.stdout + done.stderr
    message = json.loads(done.stdout)["error"]["message"]
    assert "nobodys" in message
    assert "celery -A celery_bridge.worker worker -Q nobodys" in message
    assert stack.flow_run(message.rpartition("/")[2])["state"]["type"] == "FAILED"


@pytest.mark.parametrize("how", [(), ("--no-wait",)])
def test_a_large_document_fits_through_prefect(how: tuple[str, ...], stack: Stack) -> None:
    """Nearly the largest document there is: the built-in server takes more than Prefect does by default."""
    steps = [
        {"id": f"s{number}", "type": "set", "values": {"x": 1}, "description": "y" * 19_000}
        for number in range(50)
    ]
    done = stack("run", "-", *how, given=json.dumps({"name": "Large", "steps": steps}))
    assert done.returncode == 0, done.stderr


def test_nothing_runs_here(fresh: Stack) -> None:
    """`status` says so with exit code 3; `logs` and `cancel` do as well; `down` is harmless."""
    assert fresh("status").returncode == 3
    for command in ("logs", "cancel"):
        done = fresh(command, "x")
        assert done.returncode == 3
        assert "opsconductor up" in done.stderr
    assert fresh("down").stdout == "Nothing was running.\n"


@pytest.mark.parametrize(
    ("engine", "number"), [("celery", signal.SIGINT), ("prefect", signal.SIGINT), ("prefect", signal.SIGTERM)]
)
def test_ctrl_c_cancels(engine: str, number: signal.Signals, nap: Nap, stack: Stack) -> None:
    """What runs is ended, and said to be; the run is Cancelled in Prefect; exit code 4. So does SIGTERM."""
    process = stack.start("run", *nap.arguments, "--engine", engine, "--force", "--json")
    wait_until(nap.has_begun)
    interrupt(process, number)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 4, out + err
    wait_until(nap.is_over)
    result = RunResult.model_validate_json(out)
    assert result.cancelled
    assert result.steps["nap"].status == result.steps["never"].status == "cancelled"
    state = stack.flow_run(result.execution_id)["state"]
    assert state["type"] == "CANCELLED"
    assert state["message"].startswith("Cancelled: stopped 1 of 1 step: nap; 1 step did not start (asked at ")
    receipt = result.receipt
    assert receipt is not None
    assert receipt.confirmed_at is not None
    assert (receipt.running, receipt.stopped, receipt.never_began) == (1, ("nap",), ("never",))
    assert result.start_time <= receipt.asked_at <= receipt.confirmed_at <= result.end_time
    assert "Cancelling" in err


def test_a_second_ctrl_c_leaves_at_once(stack: Stack, tmp_path: Path) -> None:
    """The always-steps of a cancelled run aren't waited for any more; the exit code stays 4."""
    pids = tmp_path / "pids"
    document = tmp_path / "stubborn.yaml"
    document.write_text(STUBBORN.format(file=pids))
    process = stack.start("run", str(document), "--engine", "prefect", "--force")

    def begun() -> list[int]:
        return [int(line) for line in pids.read_text().splitlines()] if pids.exists() else []

    try:
        wait_until(lambda: len(begun()) == 1)
        interrupt(process)
        wait_until(lambda: len(begun()) == 2)
        interrupt(process)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 4, out + err
        assert "has not ended" in err
    finally:
        for pid in filter(is_alive, begun()):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("engine", ["celery", "prefect"])
def test_cancel_from_another_process(engine: str, nap: Nap, stack: Stack) -> None:
    """`cancel NAME` ends the run of that name and says what was stopped; whoever ran it gets exit code 4."""
    process = stack.start("run", *nap.arguments, "--engine", engine, "--force", "--json")
    wait_until(nap.has_begun)
    if engine == "celery":
        wait_until(lambda: stack.json("status", nap.name)["position"] == "nap (step 1 of 2)")
    cancel = stack("cancel", nap.name)
    out, err = process.communicate(timeout=300)
    assert cancel.returncode == 0, cancel.stdout + cancel.stderr
    assert "stopped 1 of 1 step: nap; 1 step did not start (asked at " in cancel.stdout
    assert process.returncode == 4, out + err
    wait_until(nap.is_over)
    again = stack("cancel", RunResult.model_validate_json(out).execution_id)
    assert (again.returncode, again.stdout) == (0, cancel.stdout)


def test_a_run_that_is_done_is_not_cancelled(stack: Stack) -> None:
    """Exit code 1, and how it ended instead."""
    run = stack.json("run", "disk_check")["execution_id"]
    done = stack("cancel", run)
    assert done.returncode == 1
    assert "was not cancelled: it ended as Completed" in done.stderr
    assert [one["id"] for one in stack.json("cancel", run, run[:20], code=1)] == [run]
    unknown = stack("cancel", run, "no such run")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert stack.flow_run(run)["state"]["type"] == "COMPLETED"


def test_no_wait_then_follow(stack: Stack, tmp_path: Path) -> None:
    """The served router runs it; `logs --follow` ends with it and has every line once and in order."""
    (tmp_path / "talks.yaml").write_text(TALKS)
    started = stack.json("run", str(tmp_path / "talks.yaml"), "--no-wait")
    run = started["execution_id"]
    assert run in started["url"]
    followed = stack("logs", run[:13], "--follow")
    assert followed.returncode == 0, followed.stderr
    status = stack.json("status", run)
    assert (status["state"], status["engine"], status["level"]) == ("COMPLETED", "celery", "simple")
    wait_until(lambda: [part["kind"] for part in stack.json("status", run)["parts"]] == ["task"])
    lines = [json.loads(line) for line in stack("logs", run, "--json").stdout.splitlines()]
    numbers = [int(line["message"].split()[-1]) for line in lines if line["message"].split()[-1].isdecimal()]
    assert numbers == list(range(1, 451))
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert {line["message"].split()[-1] for line in lines} <= set(followed.stdout.split())


@pytest.mark.parametrize("engine", ["celery", "prefect"])
def test_a_run_that_nobody_waits_for_is_cancelled(engine: str, nap: Nap, stack: Stack) -> None:
    """`cancel ID` ends what the served router started, children included; its tasks end as Cancelled."""
    run = stack.json("run", *nap.arguments, "--engine", engine, "--force", "--no-wait")["execution_id"]
    wait_until(nap.has_begun)
    wait_until(lambda: bool(stack.json("status", run)["parts"]))
    done = stack("cancel", run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stopped" in done.stdout
    wait_until(nap.is_over)
    assert stack.flow_run(run)["state"]["type"] == "CANCELLED"
    wait_until(lambda: {part["state"] for part in stack.json("status", run)["parts"]} == {"Cancelled"})


def test_down_lets_the_runs_end_that_nobody_waits_for(fresh: Stack, tmp_path: Path) -> None:
    """What runs is ended and the always-steps run, before the servers are stopped."""
    pid, tidied = tmp_path / "pid", tmp_path / "tidied"
    document = tmp_path / "tidy.yaml"
    tidy = {"id": "tidy", "type": "command", "command": ["touch", str(tidied)]}
    nap = {"id": "nap", "type": "script", "script": f"echo $$ > {pid}; exec sleep 1000"}
    document.write_text(json.dumps({"name": "Tidy", "steps": [nap], "finally": [tidy]}))
    fresh.json("run", str(document), "--engine", "prefect", "--force", "--no-wait")
    wait_until(lambda: pid.exists() and pid.read_text().endswith("\n"))
    assert "router" in fresh("down").stdout
    assert tidied.exists()
    assert not is_alive(int(pid.read_text()))


def test_status_of_a_run_shows_its_subflow_and_steps(stack: Stack) -> None:
    """Engine, level, state and every task run."""
    result = stack.json("run", "disk_check", "--engine", "prefect", "--force")
    wait_until(lambda: len(stack.json("status", result["execution_id"])["parts"]) == 4)
    shown = stack("status", "Disk check")
    assert shown.returncode == 0
    for text in ("Completed", "prefect", "usage", "enough_room", "tell", result["execution_id"]):
        assert text in shown.stdout


@pytest.mark.parametrize("reference", ["no such run", "00000000-0000-4000-8000-000000000000", "ffffffffffff"])
@pytest.mark.parametrize("command", ["status", "logs", "cancel"])
def test_an_unknown_run(command: str, reference: str, stack: Stack) -> None:
    """Exit code 2, and a message that names it."""
    done = stack(command, reference)
    assert done.returncode == 2, done.stdout + done.stderr
    assert reference in done.stderr


def test_a_second_up_is_harmless(stack: Stack) -> None:
    """The same processes run on, at the same address."""
    before = stack.json("status")
    after = stack.json("up")
    assert after["prefect_ui_url"] == before["prefect_ui_url"]
    assert [one["pid"] for one in after["services"]] == [one["pid"] for one in before["services"]]
    assert {one["state"] for one in after["services"]} == {"running"}


def test_another_port_for_what_runs_already_is_refused(stack: Stack) -> None:
    """Exit code 2, with the address that it has; nothing is moved."""
    before = stack.json("status")["prefect_api_url"]
    done = stack("up", "--port", str(free_port()))
    assert done.returncode == 2
    assert before in done.stderr
    assert stack.json("status")["prefect_api_url"] == before


def test_two_ups_at_once(fresh: Stack) -> None:
    """One starts everything, the other waits for it; both name the same address. `down` ends all of it."""
    processes = [fresh.start("up", "--json") for _ in range(2)]
    ends = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    told = [json.loads(out) for out, _ in ends]
    assert told[0]["prefect_api_url"] == told[1]["prefect_api_url"]
    pids = [one["pid"] for one in told[0]["services"]]
    assert pids == [one["pid"] for one in told[1]["services"]]
    assert all(map(is_alive, pids))
    stopped = fresh.json("down")["stopped"]
    assert sorted(stopped) == sorted(one["name"] for one in told[0]["services"])
    assert not any(map(is_alive, pids))
    assert fresh("status").returncode == 3


def test_ctrl_c_while_servers_start(fresh: Stack) -> None:
    """Exit code 4, and what had been started is stopped again."""
    process = fresh.start("run", "disk_check")
    wait_until(lambda: bool(fresh.service_pids()))
    pids = fresh.service_pids()
    interrupt(process)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 4, out + err
    assert "interrupted" in err
    assert "Traceback" not in err
    assert not any(map(is_alive, pids))
    assert fresh("status").returncode == 3


def test_a_port_that_is_taken(fresh: Stack) -> None:
    """Exit code 2 and the cure; nothing is left running."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = fresh("up", "--port", str(port))
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"Port {port} can't be used" in done.stderr
    assert fresh("down").stdout == "Nothing was running.\n"


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    """Exit code 3 and the cure, when the installation's folder can't be created."""
    (tmp_path / "file").write_text("")
    done = Stack(tmp_path / "file" / "home")("run", "disk_check")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "OPSCONDUCTOR_HOME" in done.stderr
