"""The installation's folder and what runs in it."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from control import supervisor
from control.health import PrefectAnswers
from control.home import Home, HomeError, Installation, home_error
from control.ports import trouble_with
from control.supervisor import ServiceStatus
from doctor.findings import Finding, NotSeen, doubt, fault, fine
from doctor.site import BLOCK, Bridge, Site

GIB = 1024**3
LITTLE, TOO_LITTLE = GIB, GIB // 10
MANY_RESTARTS = 3
_PRIVATE = (
    "",
    "state.json",
    "broker/password",
    "broker/valkey.conf",
    "prefect",
    "logs",
    "journals",
    "registry",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder that is nobody else's business."""

    name: str
    mode: int
    owner: int


@dataclass(frozen=True, slots=True)
class FolderSeen:
    """The folder; `unwritable` says why it can't be written. `entries` are those that must be private."""

    path: str
    exists: bool
    us: int
    needed: bool = True
    unwritable: str = ""
    cure: str = ""
    free: int = 0
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class ServicesSeen:
    """What runs in the folder. `needed`: not all parts are the user's own.

    `stranger`: another server listens at the address of the built-in one. `taken`: ports that the next start
    wants, with what is in their way.
    """

    path: str
    needed: bool
    supervised: bool
    phase: str = ""
    failure: str = ""
    services: tuple[ServiceStatus, ...] = ()
    stranger: str = ""
    taken: tuple[tuple[int, str, str], ...] = ()


def see_folder(site: Site) -> FolderSeen:
    """Look at the folder; writes and removes one file in it."""
    path, us = site.home.path, os.getuid()
    if not path.is_dir():
        return FolderSeen(str(path), path.exists(), us, site.needs_built_in)
    reason = cure = ""
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor."):
            pass
    except OSError as error:
        reason, _, cure = str(home_error(path, error)).partition(": ")
    return FolderSeen(
        path=str(path),
        exists=True,
        us=us,
        needed=site.needs_built_in,
        unwritable=reason,
        cure=cure.rstrip("."),
        free=shutil.disk_usage(path).free,
        entries=tuple(_entries(path)),
    )


def _entries(path: Path) -> Iterator[Entry]:
    for name in _PRIVATE:
        try:
            told = (path / name).stat()
        except OSError:
            continue
        yield Entry(name or ".", stat.S_IMODE(told.st_mode), told.st_uid)


def judge_folder(seen: FolderSeen) -> Iterator[Finding]:
    """It is there and can be written."""
    if seen.unwritable:
        yield fault(seen.unwritable, "runs keep their journals and generated flows there", seen.cure)
    elif seen.exists and not seen.entries:
        cause, cure = "it is no folder", "remove it, or set OPSCONDUCTOR_HOME to another one"
        yield fault(f"{seen.path} can't be used", cause, cure)
    elif not seen.exists:
        yield fine(f"{seen.path} is not there yet; the first run makes it")
    else:
        yield fine(f"{seen.path} can be written")


def judge_space(seen: FolderSeen) -> Iterator[Finding]:
    """There is room on its disk."""
    if not seen.entries:
        return
    what = f"{seen.free / GIB:.1f} GiB are free on the disk of {seen.path}"
    cause = "database, journals, logs and the broker's file grow there; a full disk fails runs in the middle"
    cure = "free some space, or move the folder and set OPSCONDUCTOR_HOME"
    if seen.free < TOO_LITTLE:
        yield fault(what, cause, cure, free_bytes=seen.free)
    elif seen.free < LITTLE:
        yield doubt(what, cause, cure, free_bytes=seen.free)
    else:
        yield fine(what, free_bytes=seen.free)


def judge_privacy(seen: FolderSeen) -> Iterator[Finding]:
    """Passwords and what runs did are for their owner's eyes."""
    if not seen.entries:
        return
    evidence = {entry.name: f"{entry.mode:04o} of uid {entry.owner}" for entry in seen.entries}
    if strangers := [entry.name for entry in seen.entries if entry.owner != seen.us]:
        cause = f"{', '.join(strangers)} belong to another user: started with sudo, perhaps"
        cure = f"`sudo chown -R $USER {seen.path}`, and never start it as another user"
        yield fault(f"{seen.path} is not all ours", cause, cure, **evidence)
    elif seen.entries[0].mode & 0o077:
        yield doubt(
            f"others may look into {seen.path}",
            "it holds the broker's password and what runs printed",
            f"`chmod 700 {seen.path}`",
            **evidence,
        )
    elif loose := [
        e.name for e in seen.entries if e.name.endswith((".json", "password", ".conf")) and e.mode & 0o077
    ]:
        cause = "they hold the broker's password; only the folder around keeps others out"
        yield doubt(f"{', '.join(loose)} can be read by others", cause, "`chmod 600` them", **evidence)
    else:
        yield fine(f"{seen.path} is for our eyes only", **evidence)


def see_services(site: Site, bridge: Callable[[], Bridge]) -> ServicesSeen:
    """Look at what runs in the folder. NotSeen when it can't be read."""
    home = site.home
    try:
        saved, services = home.saved(), tuple(supervisor.check(home))
        supervised = home.supervised()
    except (HomeError, OSError) as error:
        what = f"what runs in {home.path} can't be read"
        raise NotSeen(fault(what, str(error), "make the folder readable for this user")) from None
    failure = saved.failure if saved is not None else None
    return ServicesSeen(
        path=str(home.path),
        needed=site.needs_built_in and not (site.own_prefect and _is_block(bridge)),
        supervised=supervised,
        phase=saved.phase if saved is not None else "",
        failure=f"{failure.service}: {failure.reason}" if failure is not None else "",
        services=services,
        stranger=_stranger(site.running, home, site.environment.get("PREFECT_SERVER_API_AUTH_STRING")),
        taken=() if supervised else tuple(_taken(site)),
    )


def _is_block(bridge: Callable[[], Bridge]) -> bool:
    try:
        return bridge().source == BLOCK
    except NotSeen:
        return False


def _stranger(running: Installation | None, home: Home, auth: str | None) -> str:
    """The address of our server where another one answers."""
    if running is None or not running.prefect_embedded or running.phase != "ready":
        return ""
    answers = PrefectAnswers(api_url=running.prefect_api_url, home=home.prefect, auth=auth or None)
    return "" if answers.passes() else running.prefect_api_url


def _taken(site: Site) -> Iterator[tuple[int, str, str]]:
    wanted = site.options.port
    if wanted is not None and site.options.prefect_api_url is None and (trouble := trouble_with(wanted)):
        yield wanted, "OPSCONDUCTOR_PORT", trouble


def judge_services(seen: ServicesSeen) -> Iterator[Finding]:
    """All parts run, and stay up."""
    if not seen.supervised:
        yield from _stopped(seen)
        return
    for one in seen.services:
        evidence = {"state": one.state, "pid": one.pid, "port": one.port, "restarts": one.restarts}
        log = f"look at {seen.path}/logs/{one.name}.log"
        if one.state != "running":
            yield fault(f"{one.name} is {one.state}", "it crashed, or can't start", log, **evidence)
        elif one.restarts >= MANY_RESTARTS:
            cause = "it crashes again and again: too little memory, perhaps"
            yield doubt(f"{one.name} was started again {one.restarts} times", cause, log, **evidence)
        else:
            yield fine(f"{one.name} runs", **evidence)


def _stopped(seen: ServicesSeen) -> Iterator[Finding]:
    orphans = [one.name for one in seen.services if one.state == "orphaned"]
    if orphans:
        cause = "their supervisor was killed: what of them crashes stays away"
        cure = "`opsconductor up` starts them anew, `opsconductor down` stops them"
        yield fault(f"{', '.join(orphans)} run without a supervisor", cause, cure)
    elif not seen.needed:
        yield fine("nothing built in runs, and nothing is needed: Prefect, broker and results are your own")
    elif seen.failure:
        yield fault(
            f"nothing runs in {seen.path}",
            f"the last start failed: {seen.failure}",
            f"look into {seen.path}/logs, then `opsconductor up`",
        )
    else:
        cause = "it was stopped by `opsconductor down`" if seen.phase == "stopped" else "it was never started"
        cure = "`opsconductor up`, or name your own servers by PREFECT_API_URL and OPSCONDUCTOR_BROKER_URL"
        yield fault(
            f"nothing runs in {seen.path}", cause if not seen.supervised else "", cure, phase=seen.phase
        )


def judge_ports(seen: ServicesSeen) -> Iterator[Finding]:
    """The ports are ours."""
    if seen.stranger:
        yield fault(
            f"another server answers at {seen.stranger}, or none",
            "ours does not: another program has its port, or it hangs",
            "`opsconductor down`, then `opsconductor up`: on another port where this one is taken",
        )
    for port, name, trouble in seen.taken:
        what = f"`opsconductor up` can't have the port {port}"
        yield fault(what, f"{trouble}, and {name} asks for it", f"set {name} to another one, or leave it out")
    if not seen.stranger and not seen.taken:
        yield fine("no other program is in the way of our ports")
