"""The keys of executions, which begin with the id of their run."""

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple


class Key(NamedTuple):
    """An execution within a run: the step's id, the numbers of the executions around it and its own.

    `deeper`: it belongs to another document, which that execution runs.
    """

    step: str
    place: tuple[int, ...]
    deeper: bool


def parted(key: str, run_id: str) -> Key:
    """The parts of a `Scope.key` that begins with this run's id."""
    step, *rest = key[len(run_id) + 1 :].split(".")
    numbers = list(takewhile(str.isdecimal, rest))
    return Key(step, tuple(map(int, numbers)), len(numbers) < len(rest))


def around(key: str) -> Iterator[str]:
    """An execution, those around it and the step."""
    while True:
        yield key
        outer, _, last = key.rpartition(".")
        if not last.isdecimal():
            return
        key = outer
