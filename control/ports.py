"""Finding ports on this machine's loopback address."""

import socket
from pathlib import Path

from control.home import Home, InstallationError

HOST = "127.0.0.1"
PREFECT_PORT = 4200


class PortTaken(InstallationError):
    """The port asked for can't be used."""

    def __init__(self, port: int, reason: str) -> None:
        self.port = port
        super().__init__(
            f"Port {port} can't be used ({reason}): choose another with --port or OPSCONDUCTOR_PORT, "
            "or leave it out to have a free one chosen."
        )


def trouble_with(port: int) -> str | None:
    """Why the port can't be listened on; None when it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without it a server stopped a moment ago would block its port; a listening one still does on Linux.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return "another program listens on it" if _answers(port) else None


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def required(port: int) -> int:
    """The port itself. Raises PortTaken when it can't be used."""
    trouble = trouble_with(port)
    if trouble is not None:
        raise PortTaken(port, trouble)
    return port


def first_free(start: int = PREFECT_PORT, tries: int = 100) -> int:
    """`start` or the next port that is free; any free one when none of `tries` is."""
    return next((port for port in range(start, start + tries) if trouble_with(port) is None), 0) or any_free()


def any_free() -> int:
    """A free port of the system's choice."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def kept(home: Home, file: Path) -> int:
    """The port noted in `file` while it is free, else a new one, noted there: addresses survive restarts."""
    noted = file.read_text().strip() if file.exists() else ""
    if noted.isdecimal() and 0 < int(noted) < 65536 and trouble_with(int(noted)) is None:
        return int(noted)
    port = any_free()
    home.write(file, f"{port}\n")
    return port
