"""Where each key and value of a document stands in its file."""

from typing import Any, NamedTuple

from codegen.errors import Problem
from codegen.paths import Path, parts


class Place(NamedTuple):
    """A line and a column, counted from 1."""

    line: int
    column: int


START = Place(1, 1)


class Marks:
    """The places of a document's keys and values, by the container that holds them.

    Containers that an alias uses twice are the same object and have one place: where they were written.
    """

    def __init__(self) -> None:
        self.root: Any = None
        self.start = START
        self._keys: dict[int, dict[Any, Place]] = {}
        self._values: dict[int, dict[Any, Place]] = {}

    def open(self, container: dict[str, Any] | list[Any]) -> None:
        """Begin a container."""
        self._keys[id(container)], self._values[id(container)] = {}, {}

    def note(self, container: dict[str, Any] | list[Any], part: str | int, key: Place, value: Place) -> None:
        """Remember one entry of a container."""
        self._keys[id(container)][part] = key
        self._values[id(container)][part] = value

    def copy(self, source: dict[str, Any], target: dict[str, Any], key: str) -> None:
        """An entry that a merge key brought along keeps the place where it was written."""
        self.note(target, key, self._keys[id(source)][key], self._values[id(source)][key])

    def key(self, container: Any, part: str | int) -> Place:
        """Where an entry's key stands."""
        return self._keys[id(container)][part]

    def locate(self, path: Path, *, at_key: bool = False) -> Place:
        """The place of a key or value, or of its nearest ancestor that exists.

        A scalar is found at its value; a container, and what `at_key` asks for, at its key. What a step
        doesn't say itself is where the document's `defaults` say it.
        """
        node, place = self.root, self.start
        document, below = self.root, 0
        for depth, part in enumerate(path):
            if part not in self._values.get(id(node), {}):
                inherited = _inherited(path[depth:], node, document)
                return self.locate((*path[:below], *inherited), at_key=at_key) if inherited else place
            holder, node = node, node[part]
            if depth == below + 1 and path[below] == "workflows":
                document, below = node, depth + 1
            is_scalar = depth == len(path) - 1 and not at_key and not isinstance(node, dict | list)
            place = (self._values if is_scalar else self._keys)[id(holder)][part]
        return place

    def placed(self, problem: Problem, file: str) -> Problem:
        """The problem with its line and column."""
        return problem if problem.line else problem.at(file, *self.locate(parts(problem.path)))


def _inherited(rest: Path, node: Any, document: Any) -> Path | None:
    """Where the defaults say what a step, `node`, doesn't."""
    defaults = document.get("defaults") if isinstance(document, dict) else None
    is_step = node is not document and isinstance(node, dict) and "id" in node and "type" in node
    says_so = is_step and isinstance(defaults, dict) and rest[0] in defaults
    return ("defaults", *rest) if says_so else None
