"""The journal of a rehearsed run, which outlives the processes that run it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from steps.entries import Entry
from steps.journal import Journal


class Kept:
    """A store in memory. What goes through it has been JSON in between, as in any other.

    Once `is_dead` says so, nothing more reaches it.
    """

    def __init__(self, entries: Iterable[Entry] = (), is_dead: Callable[[], bool] = lambda: False) -> None:
        self.entries = list(entries)
        self._is_dead = is_dead

    def add(self, entry: Entry) -> None:
        """Put it after those before."""
        if not self._is_dead():
            self.entries.append(Entry.from_json(json.loads(json.dumps(entry.to_json()))))

    async def secure(self, entry: Entry) -> None:
        """Put it after those before."""
        self.add(entry)

    async def held(self) -> None:
        """There is one life at a time."""


def next_journal(run_id: str, store: Kept, again_from: str | None) -> Journal:
    """The journal of the next life: another try where the last one is over, or where a step is named."""
    before = store.entries
    attempt = max((entry.attempt for entry in before), default=1)
    over = any(entry.kind == "over" and entry.attempt == attempt for entry in before)
    if over or (again_from is not None and before):
        attempt += 1
    return Journal(run_id, store, tuple(before), attempt=attempt, again_from=again_from)
