"""The errors of the steps.

StepFailed            the step did what it could and failed; `result` holds what it had
├── StepTimedOut      it took longer than its timeout and was killed
└── InnerFailed       a step inside it failed
"""

from functools import partial
from typing import Any

from codegen.result import StepError
from steps.sound_text import sound_text


class StepFailed(Exception):
    """A step failed. `stops`: a step inside it had ended the run early, so nothing is tried again."""

    stops = False

    def __init__(self, message: str, result: Any = None) -> None:
        self.message = sound_text(message)
        super().__init__(self.message)
        self.result = result

    def __reduce__(self) -> tuple[type["StepFailed"], tuple[str, Any]]:
        return type(self), (self.message, self.result)


class StepTimedOut(StepFailed):
    """A step took longer than its timeout."""


class InnerFailed(StepFailed):
    """A step inside this one failed: its error is the cause."""

    def __init__(self, cause: StepError, *, stops: bool = False) -> None:
        self.cause = cause
        self.stops = stops
        super().__init__(cause.message)

    def __reduce__(self) -> Any:
        return partial(type(self), stops=self.stops), (self.cause,)
