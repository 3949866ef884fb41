"""How steps see each other: across groups that run their steps by themselves, and across executions."""

from collections.abc import Iterator

from codegen.checking.graph import Graph
from codegen.groups import is_apart
from codegen.texts import fans_out


class Sight:
    """What the place of a step means for who depends on it or names it."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._homes: list[int | None] = []
        for position in range(len(graph.steps)):
            parent = graph.parents[position]
            if parent is None:
                self._homes.append(None)
            else:
                is_border = is_apart(graph.steps[parent].step)
                self._homes.append(parent if is_border else self._homes[parent])

    def home(self, step: int) -> int | None:
        """The innermost group around a step that runs its steps by itself; None: its list does."""
        return self._homes[step]

    def side_by_side(self, here: int, other: int) -> tuple[int, int] | None:
        """The two steps, or groups and owners around them, that may depend on each other."""
        climbed = {self._floor(step): step for step in self._upwards(other)}
        for step in self._upwards(here):
            if self._floor(step) in climbed:
                return step, climbed[self._floor(step)]
        return None

    def sections(self, step: int) -> Iterator[str]:
        """The list that a step belongs to, and those of the steps that it deals with."""
        graph = self._graph
        here: int | None = step
        while here is not None:
            yield graph.steps[here].section
            here = graph.owners[here]

    def runs(self, other: int, here: int | None, *, inside: bool) -> list[int]:
        """The steps whose fan-out makes one step's record, seen from another, a list: outermost first.

        `inside`: the text that sees it is read when the steps inside `here` have ended.
        """
        graph = self._graph
        shared = set() if here is None else {*self._executions(here, other), *((here,) if inside else ())}
        around = [step for step in (other, *graph.around(other)) if step not in shared]
        return [step for step in reversed(around) if fans_out(graph.steps[step].step)]

    def _upwards(self, step: int) -> Iterator[int]:
        """The step, and what it is a part of wherever its own list or group ends."""
        here: int | None = step
        while here is not None:
            yield here
            home = self._homes[here]
            here = self._graph.owners[here] if home is None else home

    def _floor(self, step: int) -> tuple[str, int | None]:
        return self._graph.steps[step].section, self._homes[step]

    def _executions(self, here: int, other: int) -> Iterator[int]:
        """The steps in an execution of which `here` runs; an undo runs when all of them are over."""
        graph = self._graph
        theirs = set(self.sections(other))
        position: int | None = here
        while position is not None:
            place, parent = graph.steps[position], graph.parents[position]
            position = graph.owners[position] if parent is None else parent
            is_over = parent is None and place.is_undo and place.section not in theirs
            if position is not None and not is_over:
                yield position
