"""The early end of a run: what has not started is skipped, wherever in the run it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Halt:
    """One for each list of a workflow, shared by all lists inside it.

    `closed`: what was not begun in an earlier life of the run is cancelled. `insists`: what was cut short in
    one is done again, as in undoing.
    """

    def __init__(self, *, insists: bool = False, closed: bool = False) -> None:
        self.called = False
        self.closed = closed
        self.insists = insists
        self._hear: list[Callable[[], None]] = []

    def call(self) -> None:
        """A step ended the run early."""
        self.called = True
        for hear in self._hear:
            hear()

    def closed_inside(self) -> Halt:
        """One for a list inside that an earlier life ended: closed, and an early end goes on to here."""
        inner = Halt(closed=True)
        inner._hear.append(self.call)
        return inner

    @contextmanager
    def heard(self, hear: Callable[[], None]) -> Iterator[None]:
        """Call `hear` when the run is ended early while the block runs."""
        self._hear.append(hear)
        try:
            yield
        finally:
            self._hear.remove(hear)
