"""How long a service may be silent that runs and doesn't answer."""

LOOK_EVERY = 30.0
LOOKS = 10
"""Five minutes. What a server does that answers nobody for so long, nobody misses when it is ended."""


class Silence:
    """Counts the looks in a row that found no answer.

    Looks and not seconds: while the machine stands still or sleeps nobody looks, and nothing is held against
    the service; the looks missed meanwhile are not made up for.
    """

    def __init__(self, now: float) -> None:
        self._look_at = now + LOOK_EVERY
        self._unanswered = 0

    def is_due(self, now: float) -> bool:
        """Whether it is time for another look."""
        return now >= self._look_at

    def note(self, *, answered: bool, now: float) -> None:
        """What the look found that ended just now."""
        self._look_at = now + LOOK_EVERY
        self._unanswered = 0 if answered else self._unanswered + 1

    @property
    def is_too_long(self) -> bool:
        """Whether the service is to be taken for frozen."""
        return self._unanswered >= LOOKS
