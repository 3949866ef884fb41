"""Versions and the ranges that we know to work."""

import re
from dataclasses import dataclass
from typing import Literal

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class Range:
    """From `oldest` on, up to but not including `beyond`; below `needed` what we ask for isn't there."""

    needed: str
    oldest: str
    beyond: str

    def __str__(self) -> str:
        return f"{self.oldest} up to, not including, {self.beyond}"

    def place(self, version: str) -> Literal["unusable", "old", "tested", "new"]:
        """Where a version lies."""
        number = numbers(version)
        if number < numbers(self.needed):
            return "unusable"
        if number < numbers(self.oldest):
            return "old"
        return "tested" if number < numbers(self.beyond) else "new"


TESTED = {
    # 5.0 brought streams.
    "Redis": Range("5.0", "6.2", "9"),
    "Valkey": Range("7.2", "7.2", "10"),
    # 3.8 brought quorum queues; Celery asks for the counting of deliveries that came with 3.10.
    "RabbitMQ": Range("3.8", "3.10", "5"),
}


def numbers(version: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version, to be compared."""
    found = _NUMBERS.match(version)
    return tuple(map(int, found[0].split("."))) if found else ()
