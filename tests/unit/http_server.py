"""A real HTTP server for tests, on a free port of this machine."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says."""

    server: "Server"

    def handle_any(self) -> None:
        """`/echo` tells what came, `/status/503` answers so, the rest is in `_answers`."""
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("content-length", 0))
        request = {
            "method": self.command,
            "path": path,
            "query": parse_qsl(query, keep_blank_values=True),
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(length).decode(),
        }
        self.server.requests.append(request)
        kind, _, rest = path.strip("/").partition("/")
        getattr(self, f"answer_{kind}")(rest, request)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815

    def answer_echo(self, rest: str, request: dict[str, Any]) -> None:
        """What came, as JSON."""
        self.reply(200, json.dumps(request).encode(), "application/json")

    def answer_status(self, rest: str, request: dict[str, Any]) -> None:
        """That status."""
        self.reply(int(rest), b"reason", "text/plain")

    def answer_typed(self, rest: str, request: dict[str, Any]) -> None:
        """The body that was sent, under the content type that the path names."""
        self.reply(200, request["body"].encode(), rest)

    def answer_bytes(self, rest: str, request: dict[str, Any]) -> None:
        """Latin-1."""
        self.reply(200, b"gr\xfc\xdfe", "text/plain; charset=iso-8859-1")

    def answer_big(self, rest: str, request: dict[str, Any]) -> None:
        """As many bytes as asked for."""
        self.reply(200, b'"' + b"x" * (int(rest) - 2) + b'"', "application/json")

    def answer_api(self, rest: str, request: dict[str, Any]) -> None:
        """What Prefect says when it is well."""
        self.reply(200, b"true", "application/json")

    def answer_redirect(self, rest: str, request: dict[str, Any]) -> None:
        """There it is."""
        self.reply(302, b"", "text/plain", location=f"/{rest}")

    def answer_elsewhere(self, rest: str, request: dict[str, Any]) -> None:
        """A place with a password in it."""
        self.reply(302, b"", "text/plain", location="http://me:geheim@nowhere.invalid/")

    def answer_drop(self, rest: str, request: dict[str, Any]) -> None:
        """Hang up."""
        self.close_connection = True

    def answer_silence(self, rest: str, request: dict[str, Any]) -> None:
        """Nothing, until the test is over."""
        self.server.over.wait()

    def reply(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        """One answer."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


class Server(ThreadingHTTPServer):
    """Keeps what was asked of it."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        self.over = threading.Event()
        self.scheme = "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    @property
    def place(self) -> str:
        """Scheme and host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that runs while the block does."""
    server = Server(tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
