"""One installation under test, used as people use it: through the command line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from control import supervisor
from control.home import Home

ROOT = Path(__file__).parents[2]
PATIENCE = 180.0


def wait_until(condition: Callable[[], bool], patience: float = PATIENCE, every: float = 0.05) -> None:
    """Poll until the condition holds; fail when it doesn't in time."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "the condition didn't come true in time"
        time.sleep(every)


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet waited for doesn't."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def ask(url: str, body: Any = None, method: str | None = None) -> Any:
    """What a Prefect server answers.

    A server whose database is busy is asked again, as Prefect's own clients do.
    """
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        while True:
            answer = client.request(method or ("GET" if body is None else "POST"), url, json=body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                answer.raise_for_status()
                return answer.json() if answer.content else None
            time.sleep(1)


@dataclass(frozen=True)
class Stack:
    """The folder of an installation, and the commands run on it."""

    home: Path
    more: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the commands: nothing of the tester's own configuration, and this home."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "OPSCONDUCTOR_"))
        }
        return kept | {"OPSCONDUCTOR_HOME": str(self.home), "PYTHONUNBUFFERED": "1"} | dict(self.more)

    @property
    def api(self) -> str:
        """The address of the Prefect server's API; the installation must run."""
        return _api_of(self)

    @property
    def broker_url(self) -> str:
        """The address of the built-in broker, with its password; the installation must run."""
        installation = Home(self.home).installation()
        assert installation is not None
        return installation.broker_url

    def service_pids(self) -> list[int]:
        """The processes that the installation has started until now."""
        return [service.pid for service in supervisor.check(Home(self.home)) if service.pid is not None]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command in a process group of its own, as a terminal's foreground job is."""
        return subprocess.Popen(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(self, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The one JSON value that a command prints with --json."""
        done = self(*arguments, "--json")
        assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def flow_run(self, run_id: str) -> Any:
        """What the Prefect server itself says of a run."""
        return ask(f"{self.api}/flow_runs/{run_id}")

    def using(self, **more: str) -> "Stack":
        """The same installation with more in the environment."""
        return Stack(self.home, (*self.more, *more.items()))


@cache
def _api_of(stack: Stack) -> str:
    return str(stack.json("status")["prefect_api_url"])


def interrupt(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGINT) -> None:
    """Ctrl-C, as a terminal sends it: to the whole foreground group."""
    os.killpg(process.pid, number)
