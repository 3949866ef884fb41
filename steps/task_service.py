"""What `celery_task` asks of Celery; the bridge has it at hand, on either engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Call:
    """A task to be run by a worker of somebody's app.

    `id` is the same whenever the same call of the same run is made; `parent` is that of the call before it.
    `broker` names a block; without one it is our own broker. After `expires` seconds no worker begins it.
    """

    id: str
    task: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    queue: str | None = None
    broker: str | None = None
    parent: str | None = None
    expires: float | None = None
    ignore_result: bool = False

    @property
    def label(self) -> str:
        """How people name it."""
        return f"{self.task} ({self.id})"


@dataclass(frozen=True, slots=True)
class Raised:
    """What a task has raised, as its worker tells it."""

    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task ended: its state in Celery's words, and what it returned or raised.

    `SENT`: nobody waits for its end.
    """

    state: str
    value: Any = None
    worker: str | None = None
    error: Raised | None = None


@dataclass(frozen=True, slots=True)
class Revoked:
    """What is known of a call that was revoked; `confirmed`: nothing of it goes on, or begins later."""

    text: str
    confirmed: bool


class TaskService(Protocol):
    """Celery, as a step sees it."""

    async def run(self, call: Call, tell: Tell) -> Ended:
        """Send a call unless that was done before, and follow it to its end.

        `tell` is told where it is and what gets in the way. StepFailed: it was not sent, or what it gave
        can't be read.
        """

    async def revoke(self, call: Call) -> Revoked:
        """Have a call dropped where it waits and ended where it runs; what is known of that then."""
