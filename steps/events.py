"""What a run tells while it goes on. The same events come from both engines."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Self

from codegen.reasons import place

Stream = Literal["stdout", "stderr", "log"]


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """A step `started`, wrote a `line`, is `retrying`, or `ended`."""

    kind: Literal["started", "line", "retrying", "ended"]
    step: str
    index: int | None = None
    target: str | None = None
    text: str = ""
    stream: Stream = "log"
    status: str = ""
    time: datetime = field(default_factory=now)

    @property
    def label(self) -> str:
        """How people name the place: `usage`, `usage on web-1` or `usage [2]`."""
        return f"{self.step}{place(self.target, self.index)}"

    def to_json(self) -> dict[str, Any]:
        """JSON data; `from_json` gives the event back."""
        return asdict(self) | {"time": self.time.isoformat()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The event of `to_json`'s data."""
        return cls(**data | {"time": datetime.fromisoformat(data["time"])})


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that doesn't listen."""
