"""How the folder, what runs in it, documents and packages are looked at and judged."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from control.home import Failure, Home, Installation, ServiceRecord
from control.options import Options
from control.processes import birth
from control.supervisor import ServiceStatus, ShownState
from doctor.documents import DocumentsSeen, LongTimeout, judge_documents, judge_folders, see_documents
from doctor.findings import State
from doctor.folder import (
    GIB,
    Entry,
    FolderSeen,
    ServicesSeen,
    judge_folder,
    judge_ports,
    judge_privacy,
    judge_services,
    judge_space,
    see_folder,
    see_services,
)
from doctor.packages import Package, PackagesSeen, judge_packages, judge_python, see_packages
from doctor.site import Site, find_bridge
from tests.acceptance.stack import free_port
from tests.unit.findings import states, the

US = 1000
ENTRIES = (Entry(".", 0o700, US), Entry("state.json", 0o600, US), Entry("broker/password", 0o600, US))
FOLDER = FolderSeen("/home/us", exists=True, us=US, free=50 * GIB, entries=ENTRIES)
OWN_SERVERS = Options(prefect_api_url="http://prefect/api", broker_url="redis://host/0")
VALID = "name: {name}\nsteps:\n  - {{id: wait, type: command, command: 'true', timeout: {timeout}}}\n"


def site(home: Path, options: Options | None = None, running: Installation | None = None) -> Site:
    """An installation in a folder."""
    return Site(Home(home), {}, options or Options(), running, ())


def services_of(at: Site) -> ServicesSeen:
    """What runs there."""
    return see_services(at, partial(find_bridge, at))


def service(state: ShownState = "running", restarts: int = 0) -> ServiceStatus:
    """A broker in this state."""
    return ServiceStatus("broker", state, 1, 6379, restarts, 1.0, None)


@pytest.mark.parametrize(
    ("seen", "state", "words"),
    [
        (FOLDER, "ok", ()),
        (replace(FOLDER, exists=False, entries=()), "ok", ("not there yet",)),
        (replace(FOLDER, entries=()), "error", ("no folder",)),
        (replace(FOLDER, unwritable="/home/us can't be written", cure="make it writable"), "error", ()),
    ],
)
def test_folder(seen: FolderSeen, state: State, words: tuple[str, ...]) -> None:
    """It can be written, or will be made."""
    the(judge_folder(seen), state, *words)


@pytest.mark.parametrize(
    ("free", "state"), [(2 * GIB, "ok"), (GIB - 1, "warning"), (GIB // 10 - 1, "error"), (0, "error")]
)
def test_space(free: int, state: State) -> None:
    """Little room is told before there is none."""
    the(judge_space(replace(FOLDER, free=free)), state)


@pytest.mark.parametrize(
    ("entries", "state", "words"),
    [
        (ENTRIES, "ok", ()),
        ((Entry(".", 0o755, US), *ENTRIES[1:]), "warning", ("chmod 700",)),
        ((ENTRIES[0], Entry("broker/password", 0o644, US)), "warning", ("broker/password",)),
        ((ENTRIES[0], Entry("prefect", 0o755, US)), "ok", ()),
        ((ENTRIES[0], Entry("state.json", 0o600, 0)), "error", ("state.json", "chown")),
    ],
)
def test_privacy(entries: tuple[Entry, ...], state: State, words: tuple[str, ...]) -> None:
    """All is ours, and nobody else looks into it."""
    the(judge_privacy(replace(FOLDER, entries=entries)), state, *words)


def test_looking_at_a_folder(tmp_path: Path) -> None:
    """What is seen of one that an installation made, of none, and of a file in its place."""
    home = Home(tmp_path / "home").create()
    home.secret(home.broker / "password")
    made = see_folder(site(home.path))
    assert {"ok"} == {one.state for judge in (judge_folder, judge_privacy) for one in judge(made)}
    assert {entry.name: oct(entry.mode) for entry in made.entries}["broker/password"] == "0o600"
    assert [path.name for path in home.path.glob(".doctor*")] == []
    (home.broker / "password").chmod(0o640)
    the(judge_privacy(see_folder(site(home.path))), "warning", "broker/password")
    the(judge_folder(see_folder(site(tmp_path / "none"))), "ok", "not there yet")
    (tmp_path / "file").touch()
    the(judge_folder(see_folder(site(tmp_path / "file"))), "error", "no folder")


@pytest.mark.parametrize(
    ("supervised", "services", "state", "words"),
    [
        (True, (service(),), "ok", ("broker runs",)),
        (True, (service(restarts=2),), "ok", ()),
        (True, (service(restarts=3),), "warning", ("3 times", "broker.log")),
        (True, (service("restarting"),), "error", ("restarting", "broker.log")),
        (False, (service("orphaned"),), "error", ("without a supervisor",)),
        (False, (service("stopped"),), "error", ("opsconductor up",)),
        (False, (), "error", ("never started",)),
    ],
)
def test_services(
    supervised: bool, services: tuple[ServiceStatus, ...], state: State, words: tuple[str, ...]
) -> None:
    """All parts run and stay up, under their supervisor."""
    seen = ServicesSeen("/home/us", needed=True, supervised=supervised, services=services)
    the(judge_services(seen), state, *words)


def test_nothing_runs() -> None:
    """Why, where it is known; where all servers are the user's own, that is as it should be."""
    stopped = ServicesSeen("/home/us", needed=True, supervised=False, phase="stopped")
    the(judge_services(stopped), "error", "opsconductor down")
    failed = replace(stopped, phase="failed", failure="prefect: it ended with exit code 1")
    the(judge_services(failed), "error", "exit code 1")
    the(judge_services(replace(stopped, needed=False)), "ok", "your own")


def test_ports() -> None:
    """Another server in our place, another program on the port that was asked for."""
    seen = ServicesSeen("/home/us", needed=True, supervised=True)
    the(judge_ports(seen), "ok")
    the(
        judge_ports(replace(seen, stranger="http://127.0.0.1:4200/api")), "error", "http://127.0.0.1:4200/api"
    )
    taken = replace(seen, taken=((4200, "OPSCONDUCTOR_PORT", "address already in use"),))
    the(judge_ports(taken), "error", "4200", "OPSCONDUCTOR_PORT")


def installation(home: Home, port: int, **more: object) -> Installation:
    """A built-in installation with a broker that is this process."""
    pid = os.getpid()
    broker = ServiceRecord(name="broker", state="running", pid=pid, birth=birth(pid), log=home.log_file("b"))
    made = Installation(
        prefect_api_url=f"http://127.0.0.1:{port}/api",
        prefect_ui_url=f"http://127.0.0.1:{port}",
        prefect_embedded=True,
        broker_url="redis://127.0.0.1/0",
        result_backend="redis://127.0.0.1/0",
        broker_embedded=True,
        services=(broker,),
        phase="ready",
    )
    return made.model_copy(update=more)


def test_looking_at_services(tmp_path: Path) -> None:
    """Parts that outlived their supervisor, a start that failed, and an address where nobody of ours is."""
    home = Home(tmp_path).create()
    left = installation(home, free_port())
    home.save(left)
    the(judge_services(services_of(site(tmp_path))), "error", "broker", "without a supervisor")
    failure = Failure(service="worker", reason="it ended with exit code 1")
    home.save(left.model_copy(update={"phase": "failed", "failure": failure, "services": ()}))
    the(judge_services(services_of(site(tmp_path))), "error", "worker: it ended with exit code 1")
    the(judge_ports(services_of(site(tmp_path, running=left))), "error", left.prefect_api_url)
    the(judge_services(services_of(site(tmp_path, OWN_SERVERS))), "ok")


def test_documents(tmp_path: Path) -> None:
    """All are read; the first problems are told, and the longest timeout is known."""
    (tmp_path / "short.yaml").write_text(VALID.format(name="Short", timeout="30s"))
    (tmp_path / "long.yaml").write_text(VALID.format(name="Long", timeout="2h") + "queue: gpu\n")
    (tmp_path / "notes.txt").write_text("no document")
    seen = see_documents((tmp_path, tmp_path / "none"), named=True)
    the(judge_documents(seen), "ok", "all 2 documents")
    assert seen.longest == LongTimeout(7200.0, "Long", "steps[0].timeout")
    assert seen.queues == {"gpu": "Long"}
    the(judge_folders(seen), "warning", str(tmp_path / "none"))
    assert states(judge_folders(replace(seen, named=False))) == []
    (tmp_path / "bad.yaml").write_text("name: Bad\nsteps: [{id: x, type: nothing}]\n")
    (tmp_path / "worse.json").write_text("{")
    words = ("2 of 4", "bad.yaml", "worse.json", "opsconductor validate")
    the(judge_documents(see_documents((tmp_path,), named=True)), "error", *words)


def test_a_workflow_may_have_the_longest_timeout(tmp_path: Path) -> None:
    """Its own counts as well as those of its steps."""
    text = VALID.format(name="Long", timeout="30s") + "timeout: 3h\n"
    (tmp_path / "long.yaml").write_text(text)
    assert see_documents((tmp_path,), named=False).longest == LongTimeout(10800.0, "Long", "timeout")


def test_only_so_many_documents_are_read() -> None:
    """That others were not is told."""
    seen = DocumentsSeen(("workflows",), (), named=False, count=700, unread=200)
    the(judge_documents(seen), "ok", "500 documents", "200 more")
    the(judge_documents(replace(seen, count=0, unread=0)), "ok", "no documents")


@pytest.mark.parametrize(
    ("python", "state"), [("3.11.7", "ok"), ("3.13.1", "ok"), ("3.14.0", "warning"), ("3.10.2", "error")]
)
def test_python(python: str, state: State) -> None:
    """A Python that we ask for and know."""
    the(judge_python(PackagesSeen(python, ">=3.11", "0.1.0", ())), state, python)


@pytest.mark.parametrize(
    ("installed", "state"), [("3.8.8", "ok"), ("3.9.0", "error"), ("3.8.7", "error"), (None, "error")]
)
def test_packages(installed: str | None, state: State) -> None:
    """A package in the range that we ask for."""
    packages = (Package("prefect", ">=3.8.8,<3.9", installed), Package("rich", ">=14", "14.1"))
    words = ("prefect", ">=3.8.8,<3.9") if state == "error" else ()
    the(judge_packages(PackagesSeen("3.11.7", ">=3.11", "0.1.0", packages)), state, *words)


def test_our_own_packages() -> None:
    """What is installed beside the tests is what the project asks for."""
    seen = see_packages()
    assert {"prefect", "celery", "fastapi"} <= {one.name for one in seen.packages}
    the(judge_packages(seen), "ok")
    assert not [one.name for one in seen.packages if one.name == "pytest"]
