"""Locks between processes: held by a file's lock, released by the kernel when their holder dies."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

_GLANCE = 0.1
"""Seconds that outlast the moment for which `is_held` has a lock."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


def wait_and_take(file: Path) -> int:
    """Wait for the lock. It is held until the returned descriptor is closed."""
    descriptor = os.open(file, _FLAGS, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def take(file: Path, patience: float) -> int | None:
    """Take the lock without waiting for its holder: the open descriptor, or None when another process has it.

    `patience` (seconds) outlasts the moments in which `is_held` looks.
    """
    descriptor = os.open(file, _FLAGS, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.02)


def opened_alone(file: Path) -> IO[bytes] | None:
    """A file that its holder may delete, locked until it is closed; None: another process has it open."""
    deadline = time.monotonic() + _GLANCE
    while True:
        opened = open(file, "a+b", buffering=0, opener=_private)  # noqa: SIM115 - closed by whoever has it
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(opened.fileno()).st_nlink:
                return opened
        except BlockingIOError:
            if time.monotonic() > deadline:
                opened.close()
                return None
            time.sleep(0.02)
        opened.close()  # it was deleted a moment ago, or somebody looks


def is_held(file: Path) -> bool:
    """Whether a process holds the lock. Lookers share it, so that they don't see one another."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
