"""What is written down in the journal of a run, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, Self

from codegen.result import StepRecord, StepStatus
from steps.events import now

Kind = Literal["start", "begun", "tried", "cut", "ended", "cancel", "waits", "over"]


@dataclass(frozen=True, slots=True)
class Entry:
    """`tried`: all tries of an execution are over, as `record` says; `stops`: it ended the run early.

    `begun` comes before, where a second start would do harm; with a status it is the undoing that began of
    what had ended so. `ended` is the last word on an execution of a group or of a step with failure handlers.
    `cut`: the steps inside it are ended from outside, in the try that `record` tells (0: its handlers);
    `failed`: they took too long. `start` begins a try of the run, `over` ends it; `forgotten`: what was done
    before it is not known. `key` is that of the execution (`Scope.key`), of `cancel` the run's. `waits`: this
    life ended to wait for an answer; `key` names the question, and `time` is when to go on without one.
    """

    kind: Kind
    key: str = ""
    attempt: int = 1
    record: StepRecord | None = None
    status: StepStatus | None = None
    stops: bool = False
    again_from: str | None = None
    forgotten: bool = False
    time: datetime = field(default_factory=now)

    def to_json(self) -> dict[str, Any]:
        """JSON data; `from_json` gives the entry back."""
        data: dict[str, Any] = {"kind": self.kind, "time": self.time.isoformat(), "attempt": self.attempt}
        optional = ("key", "status", "stops", "again_from", "forgotten")
        data |= {name: value for name in optional if (value := getattr(self, name))}
        if self.record is not None:
            data["record"] = self.record.model_dump(mode="json", exclude_defaults=True, fallback=str)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The entry of `to_json`'s data. Unreadable: it is none."""
        try:
            if "record" in data:
                data = data | {"record": StepRecord.model_validate(data["record"])}
            return cls(**data | {"time": datetime.fromisoformat(data["time"])})
        except (KeyError, TypeError, ValueError) as error:
            raise Unreadable(f"{type(error).__name__}: {error}".splitlines()[0]) from error


class Unreadable(Exception):
    """Something in a journal is no entry: it is damaged, or of another version."""


class Store(Protocol):
    """Where the entries go."""

    def add(self, entry: Entry) -> None:
        """Put it after those before; soon it is safe."""

    async def secure(self, entry: Entry) -> None:
        """The same; returns once it is safe. Raises when this process may not go on with the run."""

    async def held(self) -> None:
        """Return once the run is surely this process's. Raises when it isn't; free where that is clear."""


class Nowhere:
    """For runs that nobody continues."""

    def add(self, entry: Entry) -> None:
        """Forget it."""

    async def secure(self, entry: Entry) -> None:
        """Forget it."""

    async def held(self) -> None:
        """Nobody else can have it."""
