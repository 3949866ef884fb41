"""How a Prefect server is asked: with its key, its token, and without giving up for what it lacks."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_KEY, temporary_settings

from control.home import Home
from control.options import Options
from doctor.findings import NotSeen
from doctor.prefect_checks import judge_clean_up, judge_version
from doctor.prefect_server import Deployment, Pool, see_prefect
from doctor.site import BLOCK, Site, find_bridge
from tests.unit.findings import the

KEY = "pnu_secret"
TOKEN = "a-token"


class Server(ThreadingHTTPServer):
    """Answers these paths with this JSON, those who give the key and, where it wants one, the token."""

    answers: dict[str, Any]
    wants_token = False


class Handler(BaseHTTPRequestHandler):
    """Answers as the server says."""

    server: Server

    def do_GET(self) -> None:
        """Any question."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0].removeprefix("/api")
        status, body = 200, b""
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            status = 401
        elif self.command == "POST" and self.server.wants_token and not self._has_token():
            status = 403
        elif path not in self.server.answers:
            status = 404
        else:
            body = json.dumps(self.server.answers[path]).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def _has_token(self) -> bool:
        return self.headers.get("Prefect-Csrf-Token") == TOKEN and bool(
            self.headers.get("Prefect-Csrf-Client")
        )

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


ANSWERS: dict[str, Any] = {
    "/health": True,
    "/admin/version": "3.8.8",
    "/admin/settings": {"home": "/nowhere", "server": {"services": {"db_vacuum": {"enabled": ["events"]}}}},
    "/csrf-token": {"token": TOKEN},
    "/deployments/filter": [
        {"name": "router", "status": "NOT_READY", "paused": False, "work_pool_name": "ours"},
    ],
    "/work_pools/ours": {"type": "process", "is_paused": False},
    "/work_pools/ours/workers/filter": [{"status": "ONLINE"}, {"status": "OFFLINE"}],
    "/automations/filter": [],
    "/flow_runs/count": 7,
}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that says what a Prefect would."""
    with Server(("127.0.0.1", 0), Handler) as running:
        running.answers = dict(ANSWERS)
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def key() -> Iterator[None]:
    """Prefect's settings have the key."""
    with temporary_settings({PREFECT_API_KEY: KEY}):
        yield


def site(server: Server, tmp_path: Path) -> Site:
    """An installation whose Prefect server this is."""
    environment = {"PREFECT_API_URL": f"http://127.0.0.1:{server.server_address[1]}/api"}
    return Site(Home(tmp_path), environment, Options.from_environment(environment), None, ())


@pytest.mark.parametrize("wants_token", [False, True])
def test_what_is_seen(server: Server, tmp_path: Path, wants_token: bool) -> None:
    """All that the judgements need, with the key of Prefect's settings, also where it takes a token."""
    server.wants_token = wants_token
    seen = see_prefect(site(server, tmp_path))
    assert seen.server_version == "3.8.8"
    assert seen.deployments == (Deployment("route-workflow/router", False, False, "ours"),)
    assert seen.pools == (Pool("ours", "process", False, 1, 1),)
    assert (seen.flow_runs, seen.late, seen.watches, seen.unanswered) == (7, 7, (), ())
    assert seen.clock is not None
    the(judge_clean_up(seen), "warning")


def test_a_server_that_lacks_things(server: Server, tmp_path: Path) -> None:
    """What it doesn't know is not known; all else is seen."""
    for path in ("/admin/version", "/admin/settings", "/automations/filter"):
        del server.answers[path]
    seen = see_prefect(site(server, tmp_path))
    assert (seen.server_version, seen.settings, seen.watches) == (None, None, None)
    assert seen.flow_runs == 7
    the(judge_version(seen, "3.8.8", ">=3.8.8,<3.9"), "skipped", "404")


def test_a_server_that_refuses_us(server: Server, tmp_path: Path) -> None:
    """The key is wrong: that is what is said, and not the key."""
    with temporary_settings({PREFECT_API_KEY: "pnu_other"}), pytest.raises(NotSeen) as refused:
        see_prefect(site(server, tmp_path))
    finding = the([refused.value.finding], "error", "401", "PREFECT_API_KEY")
    assert "pnu_other" not in repr(finding)


def test_an_address_without_api(server: Server, tmp_path: Path) -> None:
    """What is missing in the address is guessed."""
    del server.answers["/health"]
    with pytest.raises(NotSeen) as other:
        see_prefect(site(server, tmp_path))
    the([other.value.finding], "error", "404", "ends in /api", "correct PREFECT_API_URL")


def test_something_else_answers(server: Server, tmp_path: Path) -> None:
    """A web page is no Prefect."""
    server.answers["/health"] = {"status": "up"}
    with pytest.raises(NotSeen) as other:
        see_prefect(site(server, tmp_path))
    the([other.value.finding], "error", "not Prefect's API", "correct PREFECT_API_URL")


def test_the_broker_of_a_block(server: Server, tmp_path: Path) -> None:
    """Where the environment names no broker, the block in Prefect does; its password is known as one."""
    where = site(server, tmp_path)
    with pytest.raises(NotSeen):
        find_bridge(where)
    path = "/block_types/slug/celery-broker/block_documents/name/default"
    server.answers[path] = {"data": {"url": "redis://:hunter2@host/1", "queue": "ours"}}
    bridge = find_bridge(where)
    assert (bridge.source, bridge.settings.queue) == (BLOCK, "ours")
    assert bridge.secrets == {"hunter2"}
    server.answers[path] = {"data": {"url": "kafka://host"}}
    with pytest.raises(NotSeen) as unusable:
        find_bridge(where)
    the([unusable.value.finding], "error", "kafka")
