"""How services are known to be ready."""

import json
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from control.health import PrefectAnswers


class _Server(HTTPServer):
    """Gives its `answer` to those who give its `authorization`."""

    answer: tuple[int, bytes]
    authorization: str | None = None


class _Handler(BaseHTTPRequestHandler):
    """Answers as the server says."""

    server: _Server

    def do_GET(self) -> None:
        """Status and body."""
        status, body = self.server.answer if self.path == "/api/admin/settings" else (404, b"{}")
        wanted = self.server.authorization
        self.send_response(401 if wanted not in (None, self.headers.get("Authorization")) else status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[_Server]:
    """A server that answers with what a test puts into it."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def health(server: _Server, home: Path, auth: str | None = None) -> PrefectAnswers:
    return PrefectAnswers(api_url=f"http://127.0.0.1:{server.server_port}/api", home=home, auth=auth)


def test_only_a_server_of_this_home_counts(server: _Server, tmp_path: Path) -> None:
    """Another installation's server may answer on the port that ours could not have."""
    server.answer = (200, json.dumps({"home": str(tmp_path)}).encode())
    assert health(server, tmp_path).passes()
    assert not health(server, tmp_path / "other").passes()
    (tmp_path / "link").symlink_to(tmp_path)
    assert health(server, tmp_path / "link").passes()


@pytest.mark.parametrize(
    "answer", [(200, b"<html>"), (200, b"[]"), (200, b'{"home": 7}'), (500, b"{}"), (200, b"\xff")]
)
def test_other_answers_are_not_ready(server: _Server, tmp_path: Path, answer: tuple[int, bytes]) -> None:
    """Another program, or one that isn't ready yet."""
    server.answer = answer
    assert not health(server, tmp_path).passes()


def test_nobody_answers(tmp_path: Path) -> None:
    """Port 1 is nobody's."""
    assert not PrefectAnswers(api_url="http://127.0.0.1:1/api", home=tmp_path).passes()


def test_a_server_with_a_password(server: _Server, tmp_path: Path) -> None:
    """It is given, and not shown."""
    server.answer = (200, json.dumps({"home": str(tmp_path)}).encode())
    server.authorization = f"Basic {b64encode(b'admin:s3cr3t').decode()}"
    assert not health(server, tmp_path).passes()
    assert health(server, tmp_path, "admin:s3cr3t").passes()
    assert "s3cr3t" not in repr(health(server, tmp_path, "admin:s3cr3t"))
