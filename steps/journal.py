"""What the executions of a run did, kept where the death of the process that runs it does not reach.

A run that goes on after such a death does again nothing that has ended: each execution takes what the
journal tells of it, in the same order, and only what is missing is done. A run that is tried again after
its end keeps what `steps.again` lets it keep.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any, Literal, NamedTuple, Protocol, Self

from codegen.result import StepRecord, StepStatus
from steps.events import now

Kind = Literal["start", "begun", "tried", "ended", "cancel", "over"]


@dataclass(frozen=True, slots=True)
class Entry:
    """`tried`: all tries of an execution are over, as `record` says; `stops`: it ended the run early.

    `begun` comes before, where a second start would do harm. `ended` is the last word on an execution of a
    group or of a step with failure handlers. `start` begins a try of the run, `over` ends it. `key` is that
    of the execution (`Scope.key`), of `cancel` the run's.
    """

    kind: Kind
    key: str = ""
    attempt: int = 1
    record: StepRecord | None = None
    status: StepStatus | None = None
    stops: bool = False
    again_from: str | None = None
    time: datetime = field(default_factory=now)

    def to_json(self) -> dict[str, Any]:
        """JSON data; `from_json` gives the entry back."""
        data: dict[str, Any] = {"kind": self.kind, "time": self.time.isoformat(), "attempt": self.attempt}
        optional = ("key", "status", "stops", "again_from")
        data |= {name: value for name in optional if (value := getattr(self, name))}
        if self.record is not None:
            data["record"] = self.record.model_dump(mode="json", exclude_defaults=True)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The entry of `to_json`'s data."""
        if "record" in data:
            data = data | {"record": StepRecord.model_validate(data["record"])}
        return cls(**data | {"time": datetime.fromisoformat(data["time"])})


class Key(NamedTuple):
    """An execution within a run: the step's id, the numbers of the executions around it and its own.

    `deeper`: it belongs to another document, which that execution runs.
    """

    step: str
    place: tuple[int, ...]
    deeper: bool


def parted(key: str, run_id: str) -> Key:
    """The parts of a `Scope.key` that begins with this run's id."""
    step, *rest = key[len(run_id) + 1 :].split(".")
    numbers = list(takewhile(str.isdecimal, rest))
    return Key(step, tuple(map(int, numbers)), len(numbers) < len(rest))


class Store(Protocol):
    """Where the entries go."""

    def add(self, entry: Entry) -> None:
        """Put it after those before; soon it is safe."""

    async def secure(self, entry: Entry) -> None:
        """The same; returns once it is safe. Raises when this process may not go on with the run."""


class Nowhere:
    """For runs that nobody continues."""

    def add(self, entry: Entry) -> None:
        """Forget it."""

    async def secure(self, entry: Entry) -> None:
        """Forget it."""


Keep = Callable[[Sequence[Entry], str | None], list[Entry]]
"""What a new try of the run keeps of the entries before, given the step from which on all is done again."""


class Journal:
    """One life of a run: reads what the lives before left, writes what this one does."""

    def __init__(
        self,
        run_id: str = "",
        store: Store | None = None,
        entries: Iterable[Entry] = (),
        *,
        attempt: int = 1,
        again_from: str | None = None,
    ) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self._store = store or Nowhere()
        self._entries = list(entries)
        self._left: dict[str, deque[Entry]] = {}
        self._settled: set[str] = set()
        starts = [entry for entry in self._entries if entry.kind == "start"]
        self.continued = any(start.attempt == attempt for start in starts)
        if not self.continued:
            starts.append(self._write("start", again_from=again_from))
        self._starts = starts
        self._cancelled = {
            entry.key for entry in self._entries if entry.kind == "cancel" and entry.attempt == attempt
        }

    @property
    def began(self) -> datetime:
        """When this try of the run began, be it in an earlier life."""
        return self._starts[-1].time

    @property
    def left(self) -> int:
        """How many ends of executions have not been taken yet."""
        return sum(map(len, self._left.values()))

    def cancelled(self, run_id: str) -> bool:
        """Whether the run, or one inside it, was cancelled in an earlier life."""
        return run_id in self._cancelled

    def settle(self, run_id: str, keep: Keep) -> None:
        """Have the entries at hand that hold for a run, which may be one inside the run.

        That of an inner one may come again: a later try of its step finds what the try before left.
        """
        if not self._entries or run_id in self._settled:
            return
        self._settled.add(run_id)
        inside = f"{run_id}."
        mine = [entry for entry in self._entries if entry.key.startswith(inside)]
        held: list[Entry] = []
        for start in self._starts:
            if start.attempt > 1:
                held = keep(held, start.again_from if run_id == self.run_id else None)
            held += [entry for entry in mine if entry.attempt == start.attempt]
        self._entries = [entry for entry in self._entries if not entry.key.startswith(inside)] + held
        for entry in held:
            if entry.kind in ("begun", "tried") and not parted(entry.key, run_id).deeper:
                self._left.setdefault(entry.key, deque()).append(entry)

    def past(self, key: str) -> Entry | None:
        """What an earlier life tells of the next execution with this key; `begun`: not how it ended."""
        left = self._left.get(key)
        if not left:
            return None
        entry = left.popleft()
        if entry.kind == "begun" and left and left[0].kind == "tried":
            entry = left.popleft()
        return entry

    async def begin(self, key: str) -> None:
        """An execution begins of which there must be no second one. Returns once that is safe."""
        await self._store.secure(Entry("begun", key, self.attempt))

    def tried(self, key: str, record: StepRecord, *, stops: bool = False) -> None:
        """All tries of an execution are over."""
        self._write("tried", key, record=record, stops=stops)

    def ended(self, key: str, status: StepStatus) -> None:
        """An execution is over, with all that was done about its failure."""
        self._write("ended", key, status=status)

    def cancel(self, run_id: str) -> None:
        """The run, or one inside it, was cancelled: later lives only bring it to its end."""
        self._write("cancel", run_id)

    def over(self) -> None:
        """The run has ended: what comes after is another try."""
        self._write("over")

    def _write(self, kind: Kind, key: str = "", **more: Any) -> Entry:
        entry = Entry(kind, key, self.attempt, **more)
        self._store.add(entry)
        return entry
