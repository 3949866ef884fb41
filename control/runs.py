"""What is known of a run: plain data, free of Prefect's types."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

_LEVELS = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"), (0, "DEBUG"))

_OUR_WORDS = ("Cancelled: ", "Cancelled, ", "Cancelled while ")


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A task run or a subflow of a run."""

    name: str
    kind: str
    state: str
    message: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A flow run: `state` is Prefect's type of state (RUNNING), `state_name` what people read (Retrying)."""

    id: str
    name: str
    state: str
    state_name: str
    message: str
    tags: tuple[str, ...]
    started_at: datetime | None
    ended_at: datetime | None
    url: str
    parts: tuple[PartStatus, ...] = ()
    position: str = ""
    """Of a run that goes on on Celery, the step that began last: `copy (step 2 of 7)`."""
    is_of_a_deployment: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the run has ended, however."""
        return self.state in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

    @property
    def engine(self) -> str | None:
        """The engine that the router chose; None before it did."""
        return self._tagged("engine:")

    @property
    def level(self) -> str | None:
        """The level of complexity that the router found."""
        return self._tagged("level:")

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The tasks that have neither come to their own end nor been ended, as far as Prefect knows."""
        return self._tasks_in("Pending", "Running", "Retrying", "AwaitingRetry", "Paused", "Cancelling")

    @property
    def stopped(self) -> tuple[str, ...]:
        """Of a run that has ended, the tasks that were ended before their time."""
        return self._tasks_in("Cancelled", "Crashed") + self.unfinished

    @property
    def what_was_stopped(self) -> str:
        """Of a cancelled run its own words; where Prefect ended its process it had none: its tasks tell."""
        told = self.message or "Cancelled"
        if told.startswith(_OUR_WORDS) or not self.stopped:
            return told
        return f"{told.rstrip('.')}: stopped {', '.join(self.stopped)}"

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {key: _json(value) for key, value in asdict(self).items()} | {
            "engine": self.engine,
            "level": self.level,
        }

    def _tasks_in(self, *states: str) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts if part.kind == "task" and part.state in states)

    def _tagged(self, prefix: str) -> str | None:
        return next((tag.removeprefix(prefix) for tag in self.tags if tag.startswith(prefix)), None)


@dataclass(frozen=True, slots=True)
class RunLog:
    """A line in a run's log; `source` is the flow run or task run that wrote it."""

    id: str
    time: datetime
    level: int
    source: str
    message: str

    @property
    def level_name(self) -> str:
        """INFO, WARNING and so on."""
        return next(name for least, name in _LEVELS if self.level >= least)

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {key: _json(value) for key, value in asdict(self).items()} | {"level": self.level_name}


def _json(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _json(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_json(value) for value in data]
    return data.isoformat() if isinstance(data, datetime) else data
