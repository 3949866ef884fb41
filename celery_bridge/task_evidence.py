"""Whether a task that was sent long ago, and of which nothing is stored, is lost."""

from dataclasses import dataclass

RESULTS_KEPT = 86_400.0
"""Seconds that Celery keeps results for, unless an app says otherwise."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of such a task: `attending` workers take from its queue and answer, one may have it, and
    so many messages are `waiting` in the queue, if that could be told."""

    age: float
    attending: int
    has_holder: bool
    waiting: int | None

    @property
    def is_lost(self) -> bool:
        """It may have ended long ago. As long as it may be somewhere, or its workers are silent, it isn't."""
        gone = self.waiting == 0 and not self.has_holder
        return self.age >= RESULTS_KEPT and self.attending > 0 and gone

    def told(self, label: str, queue: str) -> str:
        """What is to be said of it then."""
        return (
            f"{label} was sent {self.age / 3600:.0f} hours ago; no worker has it, it is not in queue "
            f"{queue!r}, and no result of it is kept (Celery keeps them for a day, unless result_expires "
            "says otherwise), so nobody knows whether it was done"
        )
