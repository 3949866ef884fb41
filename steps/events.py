"""What a run tells while it goes on. The same events come from both engines."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Self

from codegen.reasons import placed

Stream = Literal["stdout", "stderr", "log"]


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """A step `started`, wrote a `line`, is `retrying`, or `ended`; of no step: what is `kept` from before.

    `place` says in words which of all its executions it is, `index` and `target` only the innermost.
    `position` says how far the run is with it: `step 2 of 7`.
    """

    kind: Literal["started", "line", "retrying", "ended", "kept"]
    step: str
    index: int | None = None
    target: str | None = None
    text: str = ""
    stream: Stream = "log"
    status: str = ""
    time: datetime = field(default_factory=now)
    place: str = ""
    position: str = ""

    @property
    def label(self) -> str:
        """How people name the execution: `usage`, `usage on web-1`, `usage [2][0]`."""
        return placed(self.step, self.place)

    def to_json(self) -> dict[str, Any]:
        """JSON data; `from_json` gives the event back."""
        data: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return data | {"time": self.time.isoformat()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The event of `to_json`'s data. What a newer version has put into it is left out."""
        known = {name: value for name, value in data.items() if name in cls.__dataclass_fields__}
        return cls(**known | {"time": datetime.fromisoformat(data["time"])})


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that doesn't listen."""
