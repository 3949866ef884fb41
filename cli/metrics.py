"""`metrics`: what is counted of runs on Celery, for Prometheus."""

import asyncio
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cli import output
from cli.failures import Exit, UsageError
from cli.servers import find_server

if TYPE_CHECKING:
    from celery_bridge.settings import BridgeSettings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics(
    *,
    port: Annotated[
        int | None, Parameter(help="Serve them at http://HOST:PORT/metrics until interrupted.")
    ] = None,
    host: Annotated[str, Parameter(help="The address to listen on, with --port.")] = "127.0.0.1",
) -> int:
    """What is counted of runs on Celery, in Prometheus' text format."""
    if port is not None and not 1 <= port <= 65535:
        raise UsageError(f"--port is {port}: give a number from 1 to 65535.")
    if not os.environ.get("OPSCONDUCTOR_BROKER_URL"):
        find_server()
    from celery_bridge.metrics import page
    from flows.configuration import bridge_settings

    settings = asyncio.run(bridge_settings())
    if port is None:
        output.write_text(page(settings).decode().rstrip())
    else:
        _serve(settings, host, port)
    return Exit.DONE


def _serve(settings: "BridgeSettings", host: str, port: int) -> None:
    try:
        server = ThreadingHTTPServer((host, port), _handler(settings))
    except OSError as error:
        raise UsageError(f"--host {host} --port {port} can't be listened on: {error}.") from error
    output.say(f"http://{host}:{port}/metrics")
    with server:
        server.serve_forever()


def _handler(settings: "BridgeSettings") -> type[BaseHTTPRequestHandler]:
    from celery_bridge.errors import BridgeError
    from celery_bridge.metrics import page

    class Handler(BaseHTTPRequestHandler):
        """Answers Prometheus: what there is, or why there is nothing."""

        def do_GET(self) -> None:
            """Any other path than /metrics is none."""
            if self.path.partition("?")[0] != "/metrics":
                self._answer(404, "see /metrics\n")
                return
            try:
                self._answer(200, page(settings).decode())
            except BridgeError as error:
                self._answer(503, f"{error}\n")

        def _answer(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: Prometheus asks again and again."""

    return Handler
