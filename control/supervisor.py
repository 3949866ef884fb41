"""Starting, stopping and looking at the embedded installation."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from celery_bridge.urls import masked
from control import services
from control.home import Home, HomeError, Installation, InstallationError, ServiceRecord
from control.logfiles import bound, tail
from control.options import Options
from control.plan import Plan
from control.ports import trouble_with
from control.processes import is_same, stop_stranger, wait_for

Planner = Callable[[Home, Options], Plan]
Progress = Callable[[str], None]
ShownState = Literal["starting", "running", "restarting", "stopped", "orphaned"]

_STOPPING = 90.0
"""Seconds the supervisor has to stop everything, more than the services' graces together."""
_TRIES = 5
"""Starts, when ports are taken between being chosen and being listened on."""
_GRACE = 10.0
"""Seconds a service has that outlived its supervisor."""


class StartFailed(InstallationError):
    """A service didn't start; what had been started was stopped again."""

    def __init__(self, service: str, reason: str, log: Path, last_lines: list[str]) -> None:
        self.service, self.log, self.last_lines = service, log, last_lines
        shown = "\n".join(f"  {line}" for line in last_lines) or "  (nothing was logged)"
        super().__init__(f"{service} did not start: {reason}. The end of its log, {log}:\n{shown}")


@dataclass(frozen=True)
class ServiceStatus:
    """A service as `status` shows it. `uptime` is in seconds.

    `orphaned`: it runs on after its supervisor was killed; `up` or `down` clears it away.
    """

    name: str
    state: ShownState
    pid: int | None
    port: int | None
    restarts: int
    uptime: float | None
    url: str | None


def up(
    home: Home,
    *,
    port: int | None = None,
    options: Options | None = None,
    on_progress: Progress | None = None,
    planner: Planner = services.plan,
) -> Installation:
    """Start the installation unless it runs, and return once every service is healthy.

    Raises StartFailed, PortTaken, HomeError or another InstallationError; then nothing is left running.
    """
    tell = on_progress or _silent
    settings = options or Options.from_environment()
    settings = settings if port is None else settings.model_copy(update={"port": port})
    home.create()
    with home.turn():
        running = _await_running(home, tell)
        if running is not None:
            return running
        _stop_everything(home)
        try:
            return _start(home, settings, planner, tell)
        except KeyboardInterrupt:
            _stop_everything(home)
            raise


def down(home: Home) -> list[str]:
    """Stop the installation, and what a killed supervisor left behind; the names in the order of stopping."""
    if not home.path.is_dir():
        return []
    with home.turn():
        return _stop_everything(home)


def check(home: Home) -> list[ServiceStatus]:
    """Every service of the last start and how it is now; empty when there never was one."""
    saved = home.saved()
    supervised = home.supervised()
    return [_status(record, supervised) for record in saved.services] if saved else []


def _start(home: Home, settings: Options, planner: Planner, tell: Progress) -> Installation:
    """Start all services, on other ports when somebody else took one before its service could."""
    for tries_left in reversed(range(_TRIES)):
        plan = planner(home, settings)
        try:
            _launch(home, plan)
            return _await_start(home, tell)
        except StartFailed as failure:
            port = plan.port_of(failure.service)
            if not tries_left or port is None or port == settings.port or trouble_with(port) is None:
                raise
            tell(f"port {port} was taken by another program meanwhile: trying another one")
    raise AssertionError("the last try returns or raises")


def _await_running(home: Home, tell: Progress) -> Installation | None:
    """The installation that already runs or is starting; None when none does (any more)."""
    if not home.supervised():
        return None
    with suppress(StartFailed):
        return _await_start(home, tell)
    return None


def _await_start(home: Home, tell: Progress) -> Installation:
    """Follow the supervisor's record until all is ready or it gave up."""
    told: dict[str, str] = {}
    while not wait_for(lambda: _settled(home), 0.2):
        _tell_changes(home.saved(), told, tell)
    saved = home.saved()
    _tell_changes(saved, told, tell)
    if saved is not None and saved.phase == "ready":
        return saved
    raise _start_failed(home, saved)


def _settled(home: Home) -> bool:
    alive = home.supervised()
    saved = home.saved()
    return not alive or (saved is not None and saved.phase == "ready")


def _tell_changes(saved: Installation | None, told: dict[str, str], tell: Progress) -> None:
    for record in saved.services if saved else ():
        if record.state != told.get(record.name) and record.state in ("starting", "running"):
            where = f" at {record.url}" if record.url else ""
            tell(f"{record.name} is ready{where}" if record.state == "running" else f"starting {record.name}")
        told[record.name] = record.state


def _start_failed(home: Home, saved: Installation | None) -> StartFailed:
    if saved is not None and saved.failure is not None:
        name, reason = saved.failure.service, saved.failure.reason
    else:
        name, reason = "supervisor", "it ended before everything was ready"
    log = home.log_file(name)
    return StartFailed(name, reason, log, [masked(line) for line in tail(log)])


def _launch(home: Home, plan: Plan) -> None:
    """Start the supervisor; it has left us and holds its lock when this returns."""
    home.state_file.unlink(missing_ok=True)
    log = home.log_file("supervisor")
    bound(log)
    with open(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as stream:
        started = subprocess.run(
            [sys.executable, "-P", "-m", "control.supervision", str(home.path)],
            input=plan.model_dump_json().encode(),
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=services.python_environment(),
            cwd=home.path,
            start_new_session=True,
            check=False,
        )
    if started.returncode != 0:
        raise StartFailed("supervisor", f"it ended with exit code {started.returncode}", log, tail(log))


def _stop_everything(home: Home) -> list[str]:
    """Stop the supervisor, who stops its services; then whatever of them is still there."""
    before = home.saved()
    if before is None and not home.supervised():
        return []
    alive = [r for r in reversed(before.services if before else ()) if is_same(r.pid, r.birth)]
    if home.supervised():
        _stop_supervisor(home)
    after = home.saved()
    for record in reversed(after.services if after else ()):
        if record.pid is not None and record.birth is not None:
            stop_stranger(record.pid, record.birth, signal.SIGTERM, _GRACE)
    if after is not None:
        stopped = tuple(_as_stopped(record) for record in after.services)
        # On a full disk everything is stopped all the same, and old pids are known by their birth.
        with suppress(HomeError):
            home.save(after.model_copy(update={"services": stopped, "phase": "stopped"}))
    return [record.name for record in alive]


def _stop_supervisor(home: Home) -> None:
    """Ask it to end; kill it when it doesn't."""
    for number, patience in ((signal.SIGTERM, _STOPPING), (signal.SIGKILL, 5.0)):
        pid, born = _supervisor(home)
        if is_same(pid, born):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if wait_for(lambda: not home.supervised(), patience):
            return


def _supervisor(home: Home) -> tuple[int, str]:
    """The pid and birth that the lock's holder wrote into the lock file."""
    pid, _, born = home.lock_file.read_text().strip().partition(" ")
    return (int(pid), born) if pid.isdecimal() else (0, "")


def _as_stopped(record: ServiceRecord) -> ServiceRecord:
    return record.model_copy(update={"state": "stopped", "pid": None, "birth": None, "started_at": None})


def _status(record: ServiceRecord, supervised: bool) -> ServiceStatus:
    alive = is_same(record.pid, record.birth)
    since = record.started_at if alive else None
    return ServiceStatus(
        name=record.name,
        state=_shown_state(record, alive, supervised),
        pid=record.pid if alive else None,
        port=record.port,
        restarts=record.restarts,
        uptime=(datetime.now(UTC) - since).total_seconds() if since else None,
        url=record.url,
    )


def _shown_state(record: ServiceRecord, alive: bool, supervised: bool) -> ShownState:
    if not supervised:
        return "orphaned" if alive else "stopped"
    if record.state == "running":
        return "running" if alive else "restarting"
    return "starting" if record.state == "waiting" else record.state


def _silent(_text: str) -> None:
    """Tell nobody."""
