"""The services' log files: kept small, and read from their end."""

import os
import shutil
from pathlib import Path

LIMIT = 10 * 1024 * 1024


def bound(log: Path, limit: int = LIMIT) -> None:
    """Move what is in a log above `limit` bytes to `NAME.log.1`. Works while it is being appended to."""
    if not log.exists() or log.stat().st_size <= limit:
        return
    older = log.with_name(f"{log.name}.1")
    try:
        shutil.copy(log, older)
    except OSError:
        # A full disk has no room for the copy: better lose old lines than fill it further.
        older.unlink(missing_ok=True)
    os.truncate(log, 0)


def tail(log: Path, lines: int = 20) -> list[str]:
    """The last lines of a log, from its last 64 KiB."""
    if not log.exists():
        return []
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 65536))
        return stream.read().decode("utf-8", "replace").splitlines()[-lines:]
