"""The installation's folder, its record, and what the environment says."""

import errno
import os
import socket
import stat
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_bridge.urls import masked
from control import ports
from control.health import RedisAnswers
from control.home import Home, HomeError, Installation, ServiceRecord, home_error
from control.locks import take
from control.logfiles import bound, tail
from control.options import RUNS_AT_ONCE, BadSetting, Options
from control.plan import Backoff, Service
from control.services import plan

SECRET_URL = "redis://:s3cr3t@127.0.0.1:6379/0"


def an_installation(**changes: object) -> Installation:
    values: dict[str, object] = {
        "prefect_api_url": "http://127.0.0.1:4200/api",
        "prefect_ui_url": "http://127.0.0.1:4200",
        "prefect_embedded": True,
        "broker_url": SECRET_URL,
        "result_backend": SECRET_URL,
        "broker_embedded": True,
        "phase": "ready",
    }
    return Installation.model_validate(values | changes)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_home_is_named_by_the_environment() -> None:
    """OPSCONDUCTOR_HOME names the folder; empty or absent means one in the user's home."""
    assert Home.from_environment({"OPSCONDUCTOR_HOME": "/srv/ops"}).path == Path("/srv/ops")
    assert Home.from_environment({"OPSCONDUCTOR_HOME": "here"}).path == Path.cwd() / "here"
    assert Home.from_environment({"OPSCONDUCTOR_HOME": "~/x"}).path == Path.home() / "x"
    assert Home.from_environment({"OPSCONDUCTOR_HOME": " "}).path == Path.home() / ".opsconductor"
    assert Home.from_environment({}).path == Path.home() / ".opsconductor"


def test_folders_are_private(tmp_path: Path) -> None:
    """Only the owner can enter the folder or read its state and secrets."""
    home = Home(tmp_path / "deep" / "home").create()
    home.save(an_installation())
    password = home.secret(home.broker / "password")
    assert {mode_of(folder) for folder in (home.path, home.logs, home.broker)} == {0o700}
    assert {mode_of(file) for file in (home.state_file, home.broker / "password")} == {0o600}
    assert len(password) >= 40
    assert home.secret(home.broker / "password") == password


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (
            errno.ENOSPC,
            "No space left in /srv/ops: free some space or set OPSCONDUCTOR_HOME to another folder.",
        ),
        (errno.EDQUOT, "No space left"),
        (errno.EROFS, "make it writable or set OPSCONDUCTOR_HOME"),
        (errno.EACCES, "make it writable or set OPSCONDUCTOR_HOME"),
        (errno.ENOTDIR, "Not a directory"),
        (errno.EIO, "set OPSCONDUCTOR_HOME"),
    ],
)
def test_trouble_with_the_folder_is_said_in_words(number: int, words: str) -> None:
    """The message names the folder, the cause and the cure."""
    message = str(home_error(Path("/srv/ops"), OSError(number, os.strerror(number))))
    assert words in message
    assert "/srv/ops" in message


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    """A folder that can't be made is refused, with its path."""
    (tmp_path / "file").write_text("")
    home = Home(tmp_path / "file" / "home")
    with pytest.raises(HomeError, match="file/home can't be used"):
        home.create()
    assert home.saved() is None
    assert home.installation() is None


def test_a_full_disk_is_noticed_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders alone fit on a full disk, so creating the home also writes; nothing half-written is left."""

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HomeError, match="No space left in"):
        Home(tmp_path / "home").create()
    assert [path for path in (tmp_path / "home").iterdir() if path.is_file()] == []


def test_record_survives_saving(tmp_path: Path) -> None:
    """What is saved is read back the same, and replaces what was there."""
    home = Home(tmp_path).create()
    home.save(an_installation(phase="starting"))
    record = ServiceRecord(name="broker", state="running", pid=1, birth="x", log=tmp_path / "broker.log")
    home.save(an_installation(services=(record,)))
    assert home.saved() == an_installation(services=(record,))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"phase": "ready"}', "\x00"])
def test_unreadable_record_counts_as_none(tmp_path: Path, content: str) -> None:
    """A record of another version, or a broken one, is no reason to fail."""
    home = Home(tmp_path).create()
    home.state_file.write_text(content)
    assert home.saved() is None


@pytest.mark.parametrize(("phase", "runs"), [("ready", True), ("starting", False), ("stopping", False)])
def test_installation_runs_only_while_its_supervisor_lives(tmp_path: Path, phase: str, runs: bool) -> None:
    """A record alone proves nothing: the supervisor's lock must be held, and everything be ready."""
    home = Home(tmp_path).create()
    home.save(an_installation(phase=phase))
    assert home.installation() is None
    lock = take(home.lock_file, patience=0)
    assert lock is not None
    assert (home.installation() is not None) == runs
    assert take(home.lock_file, patience=0) is None
    os.close(lock)
    assert home.installation() is None


def test_passwords_are_masked_in_the_text_of_an_installation() -> None:
    """Printing or logging an installation shows no password; its fields and environment hold the real URL."""
    health = RedisAnswers(url=SECRET_URL)
    service = Service(name="broker", command=("x",), environment={}, health=health, url=SECRET_URL)
    installation = an_installation(services=(service.record(Path("broker.log")),))
    assert "s3cr3t" not in repr(service)
    for text in (repr(installation), str(installation), f"{installation}"):
        assert "s3cr3t" not in text
        assert "redis://:***@127.0.0.1:6379/0" in text
    assert installation.environment()["OPSCONDUCTOR_BROKER_URL"] == SECRET_URL


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="*&;?="), min_size=6))
def test_no_password_survives_masking(password: str) -> None:
    """Whatever the password contains, nothing of it is shown."""
    for url in (f"redis://:{password}@\n", f"amqp://user:{password}@\n", f"rediss://?password={password}&\n"):
        assert password not in masked(url)


@pytest.mark.parametrize("url", ["redis://localhost:6379/0", "http://127.0.0.1:4200/api", "", "no url"])
def test_urls_without_a_password_are_shown_as_they_are(url: str) -> None:
    """Masking changes nothing else."""
    assert masked(url) == url


def test_restarts_are_spaced_out() -> None:
    """1 s, doubling to 30 s, however often a service crashes."""
    delays = [Backoff().delay(crashes) for crashes in (1, 2, 3, 4, 5, 6, 7, 10_000)]
    assert delays == [1, 2, 4, 8, 16, 30, 30, 30]


def test_options_come_from_the_environment() -> None:
    """Empty variables count as absent; a Redis broker keeps the results too, RabbitMQ doesn't."""
    assert Options.from_environment({"OPSCONDUCTOR_PORT": "", "PREFECT_API_URL": " "}) == Options()
    assert Options.from_environment({"OPSCONDUCTOR_PORT": "4300"}).port == 4300
    assert Options.from_environment({"OPSCONDUCTOR_BROKER_URL": SECRET_URL}).results_url == SECRET_URL
    rabbit = {"OPSCONDUCTOR_BROKER_URL": "amqp://u:p@rabbit//"}
    assert Options.from_environment(rabbit).results_url is None
    both = Options.from_environment(rabbit | {"OPSCONDUCTOR_RESULT_BACKEND": SECRET_URL})
    assert both.results_url == SECRET_URL
    assert "s3cr3t" not in repr(both)


@pytest.mark.parametrize(
    ("given", "queues"),
    [
        ("linux=2 gpu=1", {"linux": 2, "gpu": 1}),
        ("linux, gpu=12,", {"linux": RUNS_AT_ONCE, "gpu": 12}),
        (" ", {}),
    ],
)
def test_queues_come_with_their_numbers(given: str, queues: dict[str, int]) -> None:
    """Without a number, a queue's worker works on as many runs as the usual one."""
    assert Options.from_environment({"OPSCONDUCTOR_QUEUES": given}).queues == queues


def test_each_queue_has_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Besides the one of the usual queue, which may be given another number."""
    monkeypatch.delenv("OPSCONDUCTOR_QUEUE", raising=False)
    home = Home(tmp_path / "home").create()
    made = plan(home, Options(queues={"linux": 2, "opsconductor": 9})).services
    workers = {service.name: service.command for service in made if service.name.startswith("worker")}
    assert list(workers) == ["worker", "worker-linux"]
    assert {("-Q", "opsconductor"), ("--pool=prefork", "--concurrency=9")} <= pairs(workers["worker"])
    assert {("-Q", "linux"), ("--pool=prefork", "--concurrency=2")} <= pairs(workers["worker-linux"])
    nodes = [word for command in workers.values() for word in command if word.startswith("--hostname")]
    assert len(set(nodes)) == 2


def pairs(words: tuple[str, ...]) -> set[tuple[str, str]]:
    return set(pairwise(words))


@pytest.mark.parametrize(
    ("given", "read", "results"),
    [
        ("valkey://h:1/0", "redis://h:1/0", "redis://h:1/0"),
        ("Valkeys://h:1/0", "rediss://h:1/0", "rediss://h:1/0"),
        ("unix:///run/x.sock", "redis+socket:///run/x.sock", "redis+socket:///run/x.sock"),
        ("redis://a;redis://b", "redis://a;redis://b", None),
        ("AMQP://a//; amqp://b//", "amqp://a//;amqp://b//", None),
    ],
)
def test_brokers_go_by_several_names(given: str, read: str, results: str | None) -> None:
    """Valkey's schemes are read as Redis'; of several brokers none keeps the results."""
    options = Options.from_environment({"OPSCONDUCTOR_BROKER_URL": given})
    assert (options.broker_url, options.results_url) == (read, results)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("OPSCONDUCTOR_PORT", "abc", "'abc'"),
        ("OPSCONDUCTOR_PORT", "0", "'0'"),
        ("OPSCONDUCTOR_PORT", "65536", "'65536'"),
        ("OPSCONDUCTOR_PORT", "\u0664\u0662", "1 to 65535"),
        ("OPSCONDUCTOR_QUEUES", "linux=0", "'linux=0': name each queue once"),
        ("OPSCONDUCTOR_QUEUES", "linux=two", "linux=2 gpu=1"),
        ("OPSCONDUCTOR_QUEUES", "a=1 a=2", "once"),
        ("OPSCONDUCTOR_QUEUES", "a/b", "'a/b'"),
        ("OPSCONDUCTOR_BROKER_URL", "sqla+sqlite:///x.db", "sqla+sqlite"),
        ("OPSCONDUCTOR_BROKER_URL", "localhost:6379", "redis://"),
        ("OPSCONDUCTOR_BROKER_URL", "kafka://u:s3cr3t@h", "kafka://u:***@h"),
        ("OPSCONDUCTOR_RESULT_BACKEND", "rpc://", "redis://"),
        ("OPSCONDUCTOR_BROKER_URL", "redis://u:s3cr3t@host:port/0", "redis://u:***@host:port/0"),
        ("OPSCONDUCTOR_BROKER_URL", "redis://u:[s3cr3t@host/0", "redis://u:***@host/0"),
        ("PREFECT_API_URL", "ftp://x", "https://"),
        ("PREFECT_API_URL", "http://x:99999/api", "99999"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(name: str, value: str, shown: str) -> None:
    """The message names the variable, its value without secrets, and what is possible."""
    with pytest.raises(BadSetting) as caught:
        Options.from_environment({name: value})
    assert name in str(caught.value)
    assert shown in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_port_in_use_is_told_from_a_free_one() -> None:
    """A required port that is taken is refused with the cure; a chosen one moves on to the next."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(ports.PortTaken, match=rf"Port {taken} .*--port or OPSCONDUCTOR_PORT"):
            ports.required(taken)
        assert ports.first_free(taken) != taken
    assert ports.required(taken) == taken


def test_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    """The same port as last time, or a new one that is then kept."""
    home = Home(tmp_path).create()
    first = ports.kept(home, tmp_path / "port")
    assert ports.kept(home, tmp_path / "port") == first
    with socket.create_server(("127.0.0.1", first)):
        second = ports.kept(home, tmp_path / "port")
    assert second != first
    assert ports.kept(home, tmp_path / "port") == second


@pytest.mark.parametrize("noted", ["", "x", "0", "99999999", "-1"])
def test_nonsense_in_a_port_file_is_replaced(tmp_path: Path, noted: str) -> None:
    """A damaged note costs the old address, not the start."""
    home = Home(tmp_path).create()
    (tmp_path / "port").write_text(noted)
    assert ports.trouble_with(ports.kept(home, tmp_path / "port")) is None


def test_logs_stay_small_while_they_are_written_to(tmp_path: Path) -> None:
    """A log above the limit moves to NAME.log.1; who appends to it goes on in the emptied file."""
    log = tmp_path / "x.log"
    with log.open("ab", buffering=0) as stream:
        stream.write(b"old\n" * 100)
        bound(log, limit=1000)
        assert log.stat().st_size == 400
        bound(log, limit=100)
        stream.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "x.log.1").read_bytes() == b"old\n" * 100


def test_tail_reads_the_end_only(tmp_path: Path) -> None:
    """Twenty lines at most, whatever bytes they hold; none where there is no log."""
    log = tmp_path / "x.log"
    assert tail(log) == []
    log.write_bytes(b"\xff\n" + b"".join(b"%d\n" % number for number in range(100_000)))
    assert tail(log) == [str(number) for number in range(99_980, 100_000)]
