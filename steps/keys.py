"""The keys of executions, which begin with the id of their run."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import NamedTuple


class Key(NamedTuple):
    """An execution within a run: the step's id, the numbers of the executions around it and its own.

    `deeper`: it belongs to another document, which that execution runs.
    """

    step: str
    place: tuple[int, ...]
    deeper: bool


def key_of(run_id: str, step: str, place: Iterable[int]) -> str:
    """The key of an execution of a step."""
    return ".".join((run_id, step, *map(str, place)))


def parted(key: str, run_id: str) -> Key:
    """The parts of a `key_of` that begins with this run's id."""
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


class Turns:
    """How often the execution of each key has ended, counted anew in each execution around it.

    All executions of a step that fans out are together one around each of them.
    Every life of a run comes to the same numbers, also one that does not go again into what had ended.
    """

    def __init__(self) -> None:
        self._ended: Counter[str] = Counter()
        self._touched: set[str] = set()

    def end(self, key: str) -> None:
        """An execution with this key has ended."""
        *around, (place, _) = self._on_the_way(key)
        self._ended[place] += 1
        self._touched.update(outer for outer, _ in around)

    def end_all(self, key: str) -> None:
        """All executions have ended that have their numbers after this key; it counts if there were any."""
        *_, (place, _) = self._on_the_way(key)
        if place in self._touched:
            self._touched.remove(place)
            self._ended[place] += 1

    def of(self, key: str) -> str:
        """What tells the execution under way from all others with this key: the number of each around it."""
        return ".".join(str(number) for _, number in self._on_the_way(key))

    def _on_the_way(self, key: str) -> Iterator[tuple[str, int]]:
        place = ""
        for part in key.split("."):
            place = f"{place}.{part}"
            number = self._ended[place]
            yield place, number
            place = f"{place}~{number}"
