"""Finds what a step's program has started and still runs, also what has left its process group.

Every program gets a variable of its own, which all that it starts inherits. What takes that away (`env -i`),
and what runs as somebody else outside of the group, is not found; without /proc nothing outside of it is.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "OPSCONDUCTOR_EXECUTION"
_PROC = Path("/proc")
_OVER = "ZX"


@dataclass(frozen=True, slots=True)
class Process:
    """One that runs, as people may look for it; `escaped`: not in the group any more."""

    pid: int
    name: str
    escaped: bool

    def signal(self, number: int) -> None:
        """Send it a signal, if it is there and ours."""
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)


def running(mark: str, group: int) -> list[Process]:
    """Those of a group, and those that bear a mark. Zombies have ended."""
    if not _PROC.is_dir():
        return _group_alone(group)
    wanted = f"{MARK}={mark}".encode()
    return [found for entry in _numbers() if (found := _process(entry, wanted, group)) is not None]


def told(left: list[Process]) -> str:
    """What is to be said of those that could not be ended."""
    return "still running: " + ", ".join(f"{one.name} (process {one.pid})" for one in left)


def _numbers() -> Iterator[str]:
    with os.scandir(_PROC) as entries:
        for entry in entries:
            if entry.name.isdigit():
                yield entry.name


def _process(pid: str, wanted: bytes, group: int) -> Process | None:
    try:
        name, state, its_group = _status((_PROC / pid / "stat").read_text("utf-8", "replace"))
        if state in _OVER:
            return None
        if its_group != group and wanted not in (_PROC / pid / "environ").read_bytes().split(b"\0"):
            return None
    except OSError:  # it has ended meanwhile, or is somebody else's
        return None
    return Process(int(pid), name, escaped=its_group != group)


def _status(stat: str) -> tuple[str, str, int]:
    """Name, state and group; the name may hold anything, also brackets and blanks."""
    name, _, rest = stat.partition("(")[2].rpartition(")")
    state, _parent, group, *_ = rest.split()
    return name, state, int(group)


def _group_alone(group: int) -> list[Process]:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    except PermissionError:  # it is there, and somebody else's
        return [Process(group, "its process group", escaped=False)]
    return [Process(group, "its process group", escaped=False)]
