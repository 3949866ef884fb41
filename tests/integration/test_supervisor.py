"""Starting, watching and stopping an installation, with small real processes as its services."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from control.health import ReadyFile
from control.home import Home, Installation, ServiceRecord
from control.options import Options
from control.plan import Backoff, Plan, Service
from control.processes import birth, wait_for
from control.supervisor import Planner, StartFailed, check, down, up

PATIENCE = 180.0
READY = 'touch "$READY"; exec sleep 1000'
INSTALLATION = Installation(
    prefect_api_url="http://127.0.0.1:4200/api",
    prefect_ui_url="http://127.0.0.1:4200",
    prefect_embedded=True,
    broker_url="redis://:s3cr3t@127.0.0.1:6379/0",
    result_backend="redis://:s3cr3t@127.0.0.1:6379/0",
    broker_embedded=True,
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home whose installation is stopped in the end."""
    home = Home(tmp_path / "home")
    yield home
    down(home)


def service(
    home: Home, name: str, script: str = READY, after: tuple[str, ...] = (), **more: float
) -> Service:
    """A shell script as a service; it is ready when it has touched $READY."""
    ready = home.ready / name
    return Service(
        name=name,
        command=("/bin/sh", "-c", script),
        environment={**os.environ, "READY": str(ready), "HOME_PATH": str(home.path)},
        health=ReadyFile(path=ready),
        after=after,
        **more,
    )


def planner(*services: Service, first: float = 0.05) -> Planner:
    """A planner for these services, restarted quickly."""
    plan = Plan(installation=INSTALLATION, services=services, backoff=Backoff(first=first, longest=0.4))
    return lambda _home, _options: plan


def start(home: Home, *services: Service, first: float = 0.05) -> Installation:
    return up(home, options=Options(), planner=planner(*services, first=first))


def record(home: Home, name: str) -> ServiceRecord:
    saved = home.saved()
    assert saved is not None
    return next(record for record in saved.services if record.name == name)


def pid_of(home: Home, name: str) -> int:
    pid = record(home, name).pid
    assert pid is not None
    return pid


def supervisor_pid(home: Home) -> int:
    return int(home.lock_file.read_text().split()[0])


def is_dead(pid: int) -> bool:
    return birth(pid) is None


def restarted(home: Home, name: str, times: int) -> bool:
    now = record(home, name)
    return now.restarts >= times and now.state == "running"


def test_up_starts_and_down_stops_in_reverse(home: Home) -> None:
    """All are healthy when `up` returns; `down` ends them last first and says which; both can be repeated."""
    services = (service(home, "one"), service(home, "two", after=("one",)))
    installation = start(home, *services)
    assert home.installation() == installation
    assert [(s.name, s.state, s.restarts) for s in check(home)] == [
        ("one", "running", 0),
        ("two", "running", 0),
    ]
    assert all(s.uptime is not None and s.pid is not None for s in check(home))
    assert start(home, *services) == installation
    pids = [pid_of(home, "one"), pid_of(home, "two")]
    assert down(home) == ["two", "one"]
    assert all(is_dead(pid) for pid in pids)
    assert home.installation() is None
    assert [(s.name, s.state, s.pid) for s in check(home)] == [
        ("one", "stopped", None),
        ("two", "stopped", None),
    ]
    assert down(home) == []


def test_down_without_an_installation_is_harmless(tmp_path: Path) -> None:
    """Nothing is stopped, and nothing is created."""
    home = Home(tmp_path / "none")
    assert down(home) == []
    assert check(home) == []
    assert not home.path.exists()


def test_progress_is_told(home: Home) -> None:
    """A service is named when it starts and when it is ready, with where it is reached."""
    held = f'while ! test -e "$HOME_PATH/told"; do sleep 0.05; done; {READY}'
    one = service(home, "one", held).model_copy(update={"url": "redis://:s3cr3t@127.0.0.1:6379/0"})
    told: list[str] = []

    def hear(text: str) -> None:
        told.append(text)
        (home.path / "told").touch()

    up(home, options=Options(), planner=planner(one), on_progress=hear)
    assert told == ["starting one", "one is ready at redis://:***@127.0.0.1:6379/0"]


def test_a_dependent_starts_after_what_it_needs(home: Home) -> None:
    """Not merely later in the list: once the other is healthy."""
    two = service(home, "two", f'test -e "$HOME_PATH/ready/one" && {READY}', after=("one",))
    start(home, two, service(home, "one", f"sleep 0.3; {READY}"))
    assert record(home, "two").restarts == 0


def test_two_ups_at_once_make_one_installation(home: Home) -> None:
    """Both succeed, with the same processes."""
    one = service(home, "one")
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: start(home, one), range(2))
    assert first == second
    assert home.log_file("supervisor").read_text().count("starting one") == 1


def test_the_supervisor_leaves_its_terminal(home: Home) -> None:
    """It has a session of its own and is no child of ours, and so has each service."""
    start(home, service(home, "one"))
    sessions = {os.getsid(0), os.getsid(supervisor_pid(home)), os.getsid(pid_of(home, "one"))}
    assert len(sessions) == 3
    with pytest.raises(ChildProcessError):
        os.waitpid(supervisor_pid(home), os.WNOHANG)


def test_a_crashed_service_is_started_again(home: Home) -> None:
    """And again, with everything its process had started cleared away, and counted."""
    start(home, service(home, "one", f'sleep 1000 & echo $! > "$HOME_PATH/child"; {READY}'))
    first, child = pid_of(home, "one"), int((home.path / "child").read_text())
    os.kill(first, signal.SIGKILL)
    assert wait_for(lambda: restarted(home, "one", 1), PATIENCE)
    assert is_dead(child)
    second = pid_of(home, "one")
    assert second != first
    os.kill(second, signal.SIGKILL)
    assert wait_for(lambda: restarted(home, "one", 2), PATIENCE)
    assert [(s.state, s.restarts) for s in check(home)] == [("running", 2)]


def test_a_service_that_keeps_crashing_waits_longer_and_longer(home: Home) -> None:
    """The supervisor goes on trying; `status` says that it is restarting, and `down` ends it."""
    once = f'test -e "$HOME_PATH/broken" && exit 3; {READY}'
    start(home, service(home, "one", once))
    (home.path / "broken").touch()
    os.kill(pid_of(home, "one"), signal.SIGKILL)
    assert wait_for(lambda: record(home, "one").restarts >= 4, PATIENCE)
    assert [s.state for s in check(home)] == ["restarting"]
    log = home.log_file("supervisor").read_text()
    delays = [line.rsplit(" ", 2)[1] for line in log.splitlines() if "started again in" in line]
    assert delays[:5] == ["0.05", "0.1", "0.2", "0.4", "0.4"][: len(delays)]
    (home.path / "broken").unlink()
    assert wait_for(lambda: restarted(home, "one", 4), PATIENCE)


def test_a_restarted_dependent_waits_for_what_it_needs(home: Home) -> None:
    """It isn't started against a service that is down."""
    one = service(home, "one", f'while test -e "$HOME_PATH/held"; do sleep 0.05; done; {READY}')
    start(home, one, service(home, "two", after=("one",)))
    (home.path / "held").touch()
    os.kill(pid_of(home, "one"), signal.SIGKILL)
    assert wait_for(lambda: record(home, "one").restarts == 1, PATIENCE)
    os.kill(pid_of(home, "two"), signal.SIGKILL)
    assert wait_for(lambda: record(home, "two").state == "restarting", PATIENCE)
    assert not wait_for(lambda: record(home, "two").pid is not None, 0.5)
    (home.path / "held").unlink()
    assert wait_for(lambda: restarted(home, "two", 1), PATIENCE)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no luck; exit 3", "it ended with exit code 3"),
        ("echo no luck; kill -9 $$", "it ended with signal 9"),
        ("echo no luck; exec sleep 1000", "it was not ready within 0.5 s"),
    ],
)
def test_a_failed_start_stops_everything_and_shows_the_log(home: Home, script: str, reason: str) -> None:
    """The error names the service, what happened, the end of its log and where that lies."""
    with pytest.raises(StartFailed) as caught:
        start(home, service(home, "one"), service(home, "two", script, after=("one",), start_timeout=0.5))
    message = str(caught.value)
    assert message.startswith(f"two did not start: {reason}.")
    assert "  no luck" in message
    assert str(home.log_file("two")) in message
    assert home.installation() is None
    assert [s.state for s in check(home)] == ["stopped", "stopped"]
    assert home.log_file("supervisor").read_text().count("stopping one") == 1


def test_a_port_taken_meanwhile_is_given_up_for_another(home: Home) -> None:
    """Two installations may choose the same port in the same moment: the second one moves on."""
    told: list[str] = []
    with socket.socket() as other, socket.socket() as probe:
        for one in (other, probe):
            one.bind(("127.0.0.1", 0))
        other.listen()
        taken, free = other.getsockname()[1], probe.getsockname()[1]
        probe.close()
        listening = service(home, "one").model_copy(update={"port": free})
        crashing = service(home, "one", "echo address already in use; exit 1")
        crashing = crashing.model_copy(update={"port": taken})
        plans = [planner(crashing), planner(listening)]
        up(home, options=Options(), planner=lambda *given: plans.pop(0)(*given), on_progress=told.append)
        down(home)
        assert f"port {taken} was taken by another program meanwhile: trying another one" in told
        with pytest.raises(StartFailed, match="address already in use"):
            up(home, options=Options(port=taken), planner=planner(crashing))
        with pytest.raises(StartFailed, match="address already in use"):
            up(home, options=Options(), planner=planner(crashing))
    assert check(home)[0].state == "stopped"


def test_only_the_end_of_a_log_is_shown_and_no_password(home: Home) -> None:
    """Twenty lines."""
    script = "seq 1 100; echo trying redis://:s3cr3t@127.0.0.1/0; exit 1"
    with pytest.raises(StartFailed) as caught:
        start(home, service(home, "one", script))
    assert caught.value.last_lines == [*map(str, range(82, 101)), "trying redis://:***@127.0.0.1/0"]


def test_a_command_that_does_not_exist_is_named(home: Home) -> None:
    """The shell's word for it is in the log's end."""
    missing = service(home, "one").model_copy(update={"command": ("no-such-command",)})
    with pytest.raises(StartFailed, match="no-such-command"):
        start(home, missing)


def test_a_start_after_a_failed_one_succeeds(home: Home) -> None:
    """Nothing of the failure sticks."""
    with pytest.raises(StartFailed):
        start(home, service(home, "one", "exit 1"))
    assert start(home, service(home, "one")).failure is None


def test_a_service_that_does_not_listen_is_killed(home: Home) -> None:
    """After its grace, with its children."""
    deaf = (
        'trap "" TERM; sleep 1000 & echo $! > "$HOME_PATH/child"; touch "$READY"; while :; do sleep 1; done'
    )
    start(home, service(home, "one", deaf, grace=0.2))
    pids = [pid_of(home, "one"), int((home.path / "child").read_text())]
    assert down(home) == ["one"]
    assert wait_for(lambda: all(is_dead(pid) for pid in pids), PATIENCE)


def test_only_the_leader_is_asked_to_end(home: Home) -> None:
    """A pool's master sees its own children out; it gets the signal its service asks for."""
    script = (
        """trap 'echo master >> "$HOME_PATH/asked"; exit' QUIT; """
        """sh -c 'trap "echo child >> $HOME_PATH/asked" QUIT TERM; touch "$READY"; """
        """while :; do sleep 0.1; done' & while :; do sleep 0.1; done"""
    )
    start(home, service(home, "one", script, stop_signal=signal.SIGQUIT))
    down(home)
    assert (home.path / "asked").read_text() == "master\n"


@pytest.mark.parametrize("cure", ["up", "down"])
def test_what_a_killed_supervisor_left_is_cleared_away(home: Home, cure: str) -> None:
    """Its services run on until the next `up` or `down`, which recognises them."""
    one = service(home, "one")
    start(home, one)
    left = pid_of(home, "one")
    os.kill(supervisor_pid(home), signal.SIGKILL)
    assert wait_for(lambda: not home.supervised(), PATIENCE)
    assert home.installation() is None
    assert [(s.state, s.pid) for s in check(home)] == [("orphaned", left)]
    if cure == "down":
        assert down(home) == ["one"]
        assert [s.state for s in check(home)] == ["stopped"]
    else:
        start(home, one)
        assert pid_of(home, "one") != left
    assert is_dead(left)


def test_a_stranger_with_a_recorded_pid_is_left_alone(home: Home) -> None:
    """After a restart of the machine the pid may be anyone's."""
    start(home, service(home, "one"))
    down(home)
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    saved = home.saved()
    assert saved is not None
    ours = saved.services[0].model_copy(update={"pid": stranger.pid, "birth": "an earlier boot:1"})
    home.save(saved.model_copy(update={"services": (ours,), "phase": "ready"}))
    assert [s.state for s in check(home)] == ["stopped"]
    assert down(home) == []
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


STARTER = """
import sys
from pathlib import Path
from tests.integration.test_supervisor import READY, Home, service, start
home = Home(Path(sys.argv[1]))
held = 'while test -e "$HOME_PATH/held"; do sleep 0.1; done;' + READY
start(home, service(home, "one"), service(home, "two", held))
"""


@pytest.fixture
def half_started(home: Home) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process in the middle of `up`: service one runs, two is held up by a file."""
    home.create()
    (home.path / "held").touch()
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home.path)],
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as starter:
        assert wait_for(lambda: (home.ready / "one").exists(), PATIENCE)
        yield starter
        starter.kill()


def test_interrupting_up_stops_what_it_started(home: Home, half_started: "subprocess.Popen[bytes]") -> None:
    """Ctrl-C leaves nothing running."""
    assert wait_for(lambda: home.saved() is not None and record(home, "two").pid is not None, PATIENCE)
    pids = [pid_of(home, "one"), pid_of(home, "two")]
    half_started.send_signal(signal.SIGINT)
    _, errors = half_started.communicate()
    assert b"KeyboardInterrupt" in errors
    assert not home.supervised()
    assert all(is_dead(pid) for pid in pids)


def test_up_joins_a_start_whose_caller_was_killed(
    home: Home, half_started: "subprocess.Popen[bytes]"
) -> None:
    """The supervisor goes on without it; the next `up` waits for that start instead of beginning another."""
    half_started.kill()
    half_started.wait()
    (home.path / "held").unlink()
    start(home, service(home, "one"))
    assert [s.name for s in check(home)] == ["one", "two"]
    assert home.log_file("supervisor").read_text().count("starting one") == 1


def test_services_end_when_their_folder_is_deleted(home: Home) -> None:
    """Otherwise a new installation in its place would run beside them."""
    start(home, service(home, "one"))
    pid = pid_of(home, "one")
    shutil.rmtree(home.path)
    assert wait_for(lambda: is_dead(pid), PATIENCE)


def test_output_goes_to_the_service_log(home: Home) -> None:
    """Both streams, one start after the other, in the folder's logs."""
    start(home, service(home, "one", f"echo out; echo err >&2; {READY}"))
    os.kill(pid_of(home, "one"), signal.SIGKILL)
    assert wait_for(lambda: restarted(home, "one", 1), PATIENCE)
    assert home.log_file("one").read_text() == "out\nerr\n" * 2
