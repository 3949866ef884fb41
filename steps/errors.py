"""The errors of the steps.

StepFailed            the step did what it could and failed; `result` holds what it had
└── StepTimedOut      it took longer than its timeout and was killed
"""

from typing import Any


class StepFailed(Exception):
    """A step failed."""

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.result = result

    def __reduce__(self) -> tuple[type["StepFailed"], tuple[str, Any]]:
        return type(self), (self.message, self.result)


class StepTimedOut(StepFailed):
    """A step took longer than its timeout."""
