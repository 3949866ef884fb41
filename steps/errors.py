"""The errors of the steps.

StepFailed            the step did what it could and failed; `result` holds what it had
├── StepTimedOut      it took longer than its timeout and was killed
├── TaskLost          nobody knows whether a task of a Celery app was done
└── InnerFailed       a step inside it failed
    └── InnerLost     nobody knows whether that one did its work
"""

from typing import Any, Self

from codegen.result import StepError
from steps.masking import Mask
from steps.sound_text import sound_text


class StepFailed(Exception):
    """A step failed."""

    def __init__(self, message: str, result: Any = None) -> None:
        self.message = sound_text(message)
        super().__init__(self.message)
        self.result = result

    def hidden(self, mask: Mask) -> Self:
        """Itself without what the mask hides, and without what led to it, which may name that."""
        if mask:
            self.message, self.result = mask.text(self.message), mask.data(self.result)
            self.args = (self.message,)
            self.__cause__, self.__suppress_context__ = None, True
        return self

    def __reduce__(self) -> tuple[type["StepFailed"], tuple[str, Any]]:
        return type(self), (self.message, self.result)


class StepTimedOut(StepFailed):
    """A step took longer than its timeout."""


class TaskLost(StepFailed):
    """Nobody knows whether a task of somebody's Celery app was done."""


class InnerFailed(StepFailed):
    """A step inside this one failed: its error is the cause."""

    def __init__(self, cause: StepError, result: Any = None) -> None:
        self.cause = cause
        super().__init__(cause.message, result)

    def __reduce__(self) -> Any:
        return type(self), (self.cause, self.result)


class InnerLost(InnerFailed):
    """A step inside this one is lost: nothing of this one may begin again."""
