"""Every example runs on the engine it should go to, and gives the same result on the other."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.stack import ROOT, Stack, free_port, wait_until

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("stack")]

CHOICES = {
    "backup_verify": ("celery", "simple"),
    "build_out": ("prefect", "complex"),
    "disk_check": ("celery", "simple"),
    "health_check": ("celery", "simple"),
    "incident_triage": ("prefect", "complex"),
    "log_cleanup": ("celery", "simple"),
    "release": ("prefect", "moderate"),
    "rolling_restart": ("prefect", "moderate"),
    "tls_expiry": ("celery", "simple"),
}
OF_THE_RUN = ("engine_used", "execution_id", "start_time", "end_time", "duration_seconds", "decision")
TIMES = ("started_at", "ended_at", "time")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two TLS servers with certificates for a year; their addresses as a JSON list."""
    folder = tmp_path_factory.mktemp("tls")
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "365",
        "-subj",
        "/CN=localhost",
    ]
    subprocess.run(
        [*request, "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True
    )
    ports = [free_port(), free_port()]
    servers = [
        subprocess.Popen(
            [
                "openssl",
                "s_server",
                "-accept",
                f"127.0.0.1:{port}",
                "-cert",
                "cert.pem",
                "-key",
                "key.pem",
                "-quiet",
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for port in ports
    ]
    wait_until(lambda: all(answers(port) for port in ports))
    yield "[" + ", ".join(f'"127.0.0.1:{port}"' for port in ports) + "]"
    for server in servers:
        server.terminate()
        server.wait()


def answers(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def arguments_for(name: str, hosts: str) -> list[str]:
    """How an example is run; how busy this machine is must not decide."""
    more = {"tls_expiry": ["-p", f"hosts={hosts}"], "incident_triage": ["-p", "load_limit=100000"]}
    return [f"examples/{name}.yaml", *more.get(name, [])]


def without_chance(value: Any) -> Any:
    """A result without times, and with all numbers, checksums and scratch folders made alike."""
    if isinstance(value, dict):
        return {key: without_chance(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [without_chance(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\b[0-9a-f]{64}\b|\d+(\.\d+)?", "N", re.sub(r"/tmp\.\w+", "/tmp.X", value))
    return "N" if isinstance(value, int | float) and not isinstance(value, bool) else value


def comparable(result: dict[str, Any]) -> dict[str, Any]:
    """What both engines must agree on. Lines of steps that run side by side come in either order."""
    kept = {key: without_chance(value) for key, value in result.items() if key not in OF_THE_RUN}
    kept["steps"] |= {
        id: record | {"attempts": result["steps"][id]["attempts"]} for id, record in kept["steps"].items()
    }
    kept["logs"].sort(key=lambda line: (line["step"], str(line["index"]), line["stream"], line["text"]))
    return kept


def test_every_example_has_its_engine() -> None:
    """An example that is added gets a line in the table above."""
    assert {path.stem for path in (ROOT / "examples").glob("*.yaml")} == set(CHOICES)


@pytest.mark.parametrize("name", CHOICES)
def test_example_runs_where_it_should_and_alike_on_the_other_engine(
    name: str, hosts: str, stack: Stack
) -> None:
    """The router's own choice, then the other engine by force: the results are equal."""
    engine, level = CHOICES[name]
    other = "prefect" if engine == "celery" else "celery"
    chosen = stack.json("run", *arguments_for(name, hosts))
    assert (chosen["success"], chosen["engine_used"], chosen["decision"]["level"]) == (True, engine, level)
    forced = stack.json("run", *arguments_for(name, hosts), "--engine", other, "--force")
    assert forced["engine_used"] == other
    assert comparable(forced) == comparable(chosen)


def test_log_cleanup_removes_only_old_logs(tmp_path: Path, stack: Stack) -> None:
    """Not a dry run: what is old and compressed goes, everything else stays."""
    old, young, plain = tmp_path / "old's.gz", tmp_path / "young.gz", tmp_path / "old.log"
    for path in (old, young, plain):
        path.touch()
    subprocess.run(["touch", "-d", "40 days ago", old, plain], check=True)
    result = stack.json("run", "examples/log_cleanup.yaml", "-p", f"path={tmp_path}", "-p", "dry_run=false")
    assert result["result_data"] == {"count": 1, "removed": True}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.log", "young.gz"]


def test_tls_expiry_fails_for_a_certificate_that_ends_soon(hosts: str, stack: Stack) -> None:
    """With a limit above a year every host is named."""
    result = stack.json("run", *arguments_for("tls_expiry", hosts), "-p", "days=400", code=1)
    assert result["success"] is False
    assert "expires in 36" in result["error_message"]
    assert [item["status"] for item in result["steps"]["long_enough"]["items"]] == ["failed", "failed"]
