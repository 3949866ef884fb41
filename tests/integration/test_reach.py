"""Servers of the user's own that don't answer are named at once."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prefect.settings import Settings

from control import services
from control.home import Home
from control.options import Options
from control.ports import any_free
from control.reach import Unreachable, require_broker, require_prefect
from control.supervisor import check, up


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A web server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing to standard error."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/api"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_not_there_is_named(scheme: str) -> None:
    """With its URL, the password masked, and what to do about it."""
    url = f"{scheme}://user:s3cr3t@127.0.0.1:{any_free()}/0"
    with pytest.raises(Unreachable, match=rf"broker {scheme}://user:\*\*\*@127.0.0.1:.*refused") as caught:
        require_broker(url)
    assert "OPSCONDUCTOR_BROKER_URL" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_stays_silent_is_not_waited_for(scheme: str) -> None:
    """A port that accepts and never answers."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(Unreachable, match=r"(?i)timed out|timeout"),
    ):
        require_broker(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/0")


@pytest.mark.parametrize(("status", "body"), [(200, b"true"), (401, b""), (403, b"")])
def test_a_prefect_server_that_answers_will_do(status: int, body: bytes) -> None:
    """Also when it asks for a key: it is there."""
    with answering(status, body) as url:
        require_prefect(url)
        require_prefect(url + "/")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [(404, b"", "it answers 404"), (503, b"", "it answers 503"), (200, b"<html>", "URL ends in /api")],
)
def test_something_else_in_the_place_of_prefect_is_told(status: int, body: bytes, words: str) -> None:
    """For instance the address of its UI."""
    with answering(status, body) as url, pytest.raises(Unreachable, match=words):
        require_prefect(url)


@pytest.mark.parametrize(
    "variable", ["OPSCONDUCTOR_BROKER_URL", "OPSCONDUCTOR_RESULT_BACKEND", "PREFECT_API_URL"]
)
def test_nothing_is_started_when_an_own_server_is_away(tmp_path: Path, variable: str) -> None:
    """`up` fails before the first service, and names the variable to correct."""
    scheme = "http" if variable == "PREFECT_API_URL" else "redis"
    options = Options.from_environment({variable: f"{scheme}://127.0.0.1:{any_free()}/api"})
    home = Home(tmp_path / "home")
    with pytest.raises(Unreachable, match=rf"start it, correct {variable}"):
        up(home, options=options)
    assert check(home) == []
    assert not home.supervised()


def test_settings_are_known_to_prefect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that Prefect doesn't know would be ignored without a word."""
    plan = services.plan(Home(tmp_path).create(), Options(port=any_free()))
    for service in plan.services:
        for name, value in service.environment.items():
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.server.services.task_run_recorder.batch_size == 100
    assert settings.server.services.db_vacuum.enabled_vacuum_types >= {"events", "flow_runs"}
    assert not settings.server.analytics_enabled
    assert not settings.server.ui.show_promotional_content
    assert settings.server.api.port == plan.services[1].port
    assert (settings.client.max_retries, settings.runner.poll_frequency) == (10, 1)
    assert settings.flows.heartbeat_frequency == 30
    assert settings.tasks.default_no_cache
    assert settings.home == tmp_path / "prefect"


def test_what_the_user_brings_is_not_started(tmp_path: Path) -> None:
    """An own Prefect server leaves out ours, and nothing waits for it."""
    home = Home(tmp_path).create()
    with answering(200, b"true") as url:
        plan = services.plan(home, Options(prefect_api_url=url))
    assert [(service.name, service.after) for service in plan.services] == [
        ("broker", ()),
        ("worker", ("broker",)),
        ("router", ("broker",)),
    ]
    assert plan.installation.prefect_api_url == url
    assert not plan.installation.prefect_embedded
    assert plan.services[2].environment["PREFECT_API_URL"] == url


def test_the_whole_installation_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All four, away from the user's own Prefect profile; services find one another by their environment."""
    monkeypatch.setenv("PREFECT_PROFILE", "work")
    monkeypatch.setenv("PREFECT_API_KEY", "k")
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "true")
    home = Home(tmp_path).create()
    port = any_free()
    plan = services.plan(home, Options(port=port))
    by_name = {service.name: service for service in plan.services}
    assert list(by_name) == ["broker", "prefect", "worker", "router"]
    assert by_name["router"].after == ("broker", "prefect")
    assert by_name["prefect"].environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "true"
    for name in ("prefect", "worker", "router"):
        given = by_name[name].environment
        assert given["PREFECT_API_URL"] == f"http://127.0.0.1:{port}/api"
        assert given["PREFECT_HOME"] == str(home.prefect)
        assert not {"PREFECT_PROFILE", "PREFECT_API_KEY"} & set(given)
        assert "127.0.0.1" in given["NO_PROXY"]
    assert by_name["worker"].environment["OPSCONDUCTOR_BROKER_URL"] == plan.installation.broker_url
    assert "OPSCONDUCTOR_BROKER_URL" not in by_name["router"].environment
    assert by_name["router"].environment["OPSCONDUCTOR_HOME"] == str(home.path)
    assert by_name["router"].environment["OPSCONDUCTOR_WORKFLOWS"].split(os.pathsep) == [
        str(Path.cwd() / "workflows"),
        str(Path.cwd() / "examples"),
    ]
    assert plan.installation.broker_url == plan.installation.result_backend
