"""What a person is asked, and what one says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked before anything goes on.

    `key` is the same whenever the same question of the same run is asked, be it in another life or try of
    the run, but not in the next round of a group; `about` is what people call it: a step. Only `approvers`
    may answer, where there are any, and within `timeout` seconds.
    """

    key: str
    about: str
    message: str
    approvers: tuple[str, ...]
    timeout: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's yes or no. Who it was is what they said."""

    approved: bool
    by: str
    at: str
    comment: str = ""
