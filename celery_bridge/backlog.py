"""What is still to be sent of a run, in order and bounded: old lines of output go first."""

from collections import deque
from dataclasses import replace
from threading import Lock

from celery_bridge.channel import Entry
from steps.events import Event

MOST_LINES = 500
MOST_ENTRIES = 20_000


class Backlog:
    """A queue that any thread may add to. Beyond its bounds the oldest are dropped, and counted."""

    def __init__(self, most_lines: int = MOST_LINES, most_entries: int = MOST_ENTRIES) -> None:
        self._most_lines = most_lines
        self._most_entries = most_entries
        self._entries: dict[int, Entry] = {}
        self._lines: deque[int] = deque()
        self._count = 0
        self._dropped = 0
        self._lock = Lock()

    def add(self, entry: Entry) -> None:
        """Put an entry at the end."""
        with self._lock:
            self._count += 1
            self._entries[self._count] = entry
            if isinstance(entry, Event) and _is_output(entry):
                self._lines.append(self._count)
                if len(self._lines) > self._most_lines:
                    self._drop(self._lines.popleft())
            if len(self._entries) > self._most_entries:
                self._drop(next(iter(self._entries)))

    def take(self) -> list[Entry]:
        """All entries, oldest first. Where lines were dropped, the next line is a note that says so."""
        with self._lock:
            entries, dropped = list(self._entries.values()), self._dropped
            self._entries.clear()
            self._lines.clear()
            self._dropped = 0
        return _noted(entries, dropped) if dropped else entries

    def _drop(self, number: int) -> None:
        self._entries.pop(number, None)
        if self._lines and self._lines[0] == number:
            self._lines.popleft()
        self._dropped += 1


def _noted(entries: list[Entry], dropped: int) -> list[Entry]:
    for place, entry in enumerate(entries):
        if isinstance(entry, Event) and _is_output(entry):
            note = replace(
                entry, stream="log", text=f"… {dropped} lines left out: they came too fast to be sent"
            )
            return [*entries[:place], note, *entries[place:]]
    return entries


def _is_output(event: Event) -> bool:
    """Whether a program wrote it: perhaps without end. The log of a run is not left out."""
    return event.kind == "line" and event.stream != "log"
