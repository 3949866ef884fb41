"""Finds what a step's program has started and still runs, also what has left its process group.

Every program gets a variable of its own, which all that it starts inherits. What takes that away (`env -i`),
and what runs as somebody else outside of the group, is not found; without /proc nothing outside of it is.

A look at all processes takes some ten milliseconds, so those who ask at the same time share one.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "OPSCONDUCTOR_EXECUTION"
_PROC = Path("/proc")
_OVER = "ZX"
_VARIABLE = f"{MARK}=".encode()


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


@dataclass(frozen=True, slots=True)
class _Seen:
    """One of all processes; `mark` is empty where it bears none, or is somebody else's."""

    pid: int
    name: str
    group: int
    mark: str


class _Census:
    """The last look at all processes."""

    def __init__(self) -> None:
        self._clerk = ThreadPoolExecutor(1, "survivors")  # one after the other
        self._begun = 0.0
        self._seen: list[_Seen] = []

    async def taken(self) -> list[_Seen]:
        """All processes, as of now or later."""
        return await asyncio.get_running_loop().run_in_executor(self._clerk, self._since, time.monotonic())

    def _since(self, moment: float) -> list[_Seen]:
        if self._begun < moment:
            begun = time.monotonic()
            self._seen = list(_all())
            self._begun = begun
        return self._seen


_census = _Census()


async def running(mark: str, group: int) -> list[Process]:
    """Those of a group, and those that bear a mark. Zombies have ended."""
    if not _PROC.is_dir():  # noqa: ASYNC240 - no disk is behind it
        return _group_alone(group)
    return [
        Process(one.pid, one.name, escaped=one.group != group)
        for one in await _census.taken()
        if one.group == group or one.mark == mark
    ]


def told(left: list[Process]) -> str:
    """What is to be said of those that could not be ended."""
    return "still running: " + ", ".join(f"{one.name} (process {one.pid})" for one in left)


def _all() -> Iterator[_Seen]:
    with os.scandir(_PROC) as entries:
        for entry in entries:
            if entry.name.isdigit() and (seen := _process(_PROC / entry.name, int(entry.name))) is not None:
                yield seen


def _process(folder: Path, pid: int) -> _Seen | None:
    try:
        name, state, group = _status((folder / "stat").read_text("utf-8", "replace"))
    except OSError:  # it has ended meanwhile
        return None
    return None if state in _OVER else _Seen(pid, name, group, _mark_of(folder))


def _mark_of(folder: Path) -> str:
    with suppress(OSError):  # it has ended meanwhile, or is somebody else's
        for variable in (folder / "environ").read_bytes().split(b"\0"):
            if variable.startswith(_VARIABLE):
                return variable.removeprefix(_VARIABLE).decode("ascii", "replace")
    return ""


def _status(stat: str) -> tuple[str, str, int]:
    """Name, state and group; the name may hold anything, also brackets and blanks."""
    name, _, rest = stat.partition("(")[2].rpartition(")")
    state, _parent, group, *_ = rest.split()
    return name, state, int(group)


def _group_alone(group: int) -> list[Process]:
    with suppress(PermissionError):  # it is there, and somebody else's
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return []
    return [Process(group, "its process group", escaped=False)]
