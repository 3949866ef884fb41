"""Which steps can start at all: how each of them may end, by the conductor's own rules.

What is found is never too little: a step of which nothing is said may start, one that is told of never does.
That the run is cancelled, or its process dies, is left out: nothing starts after that.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from codegen.checking.graph import Graph
from codegen.groups import Condition, Step, Switch
from codegen.leaves import Fail, Stop
from codegen.schedule import Ending, counts, fate, inherited
from codegen.texts import fans_out

Ends = frozenset[Ending]
ANY_END: Ends = frozenset({"succeeded", "failed", "skipped"})


@dataclass(frozen=True, slots=True)
class Never:
    """A step that can't start, and the dependencies by which it can't: they end in no way that it asks for.

    `is_sure`: so many of them fail whenever they run that its `join` is a mistake.
    """

    step: int
    because: tuple[int, ...]
    is_sure: bool


class Starts:
    """How the steps of a document may end. `unknown`: ids of steps of which not all could be read."""

    def __init__(self, graph: Graph, unknown: frozenset[str] = frozenset()) -> None:
        self._graph = graph
        self._unknown = unknown
        self._starts: dict[int, bool] = {}
        self._unstarted: dict[int, Ends] = {}
        self._ends: dict[int, Ends] = {}
        for step in graph.in_order():
            self._add(step)

    def never(self) -> Iterator[Never]:
        """The steps that can't start, the first of each chain, and none that is disabled."""
        for step, starts in self._starts.items():
            if not starts and not self.is_off(step) and self._may_be_reached(step):
                found = self._never(step)
                if found.because:
                    yield found

    def may_start(self, step: int) -> bool:
        """Whether any run may start it."""
        return self._starts.get(step, True)

    def is_off(self, step: int) -> bool:
        """Whether it is disabled, or in a group that is."""
        around = (step, *self._graph.around(step))
        return any(not self._graph.steps[one].node.enabled for one in around)

    def always_fails(self, step: int) -> bool:
        """Whether it can start, but not end well."""
        return (
            self._starts[step] and not self.ends_the_run(step) and self._ends[step] <= {"failed", "blocked"}
        )

    def ends_the_run(self, step: int) -> bool:
        """Whether nothing starts after it."""
        return isinstance(self._graph.steps[step].step, Stop)

    def _may_be_reached(self, step: int) -> bool:
        return all(map(self.may_start, self._graph.around(step)))

    def _never(self, step: int) -> Never:
        node, after = self._graph.steps[step].node, self._graph.after(step)
        unmet = [one for one in after if not any(counts(node.run_if, end) for end in self._seen(one, step))]
        because = [one for one in unmet if self.may_start(one) or self.is_off(one)]
        failing = sum(map(self.always_fails, because))
        is_sure = node.run_if == "succeeded" and fate(node, len(after), len(after) - failing) == "blocked"
        return Never(step, tuple(dict.fromkeys(because)), is_sure)

    def _add(self, step: int) -> None:
        graph, place = self._graph, self._graph.steps[step]
        node, after = place.node, graph.after(step)
        if node.id in self._unknown or len(after) < len(node.after):
            self._starts[step], self._unstarted[step] = True, ANY_END | {"blocked"}
            self._ends[step] = self._unstarted[step]
            return
        if not self._may_be_reached(step):
            self._starts[step], self._unstarted[step], self._ends[step] = False, frozenset(), frozenset()
            return
        seen = [[counts(node.run_if, end) for end in self._seen(one, step)] for one in after]
        ended, most = sum(map(bool, seen)), sum(map(any, seen))
        least = sum(bool(one) and all(one) for one in seen)
        fates = {fate(node, ended, counted) for counted in (least, most)}
        is_ready = "ready" in fates
        found: set[Ending] = {end for end in fates if end is not None and end != "ready"}
        if is_ready:
            found |= _instead(place.step)
        self._starts[step] = is_ready and node.enabled
        self._unstarted[step] = frozenset(found)
        self._ends[step] = frozenset(found | _having_run(place.step) if is_ready and node.enabled else found)

    def _seen(self, step: int, by: int) -> Ends:
        """How a step may end, as another one sees it that depends on it."""
        graph = self._graph
        if step not in self._ends:
            return ANY_END
        node, other = graph.steps[step].node, graph.steps[by].node
        if (node.parent, node.branch) == (other.parent, other.branch):
            return self._ends[step]
        found, child, shared = set(self._ends[step]), step, {*graph.ancestors(by)}
        for around in graph.ancestors(step):
            if graph.steps[child].node.branch is not None:
                found.add("skipped")
            if around in shared:
                break
            found.update(map(inherited, self._unstarted[around]))
            child = around
        return frozenset(found)


def _instead(step: Step) -> Ends:
    """How a step may end that was ready, without having done anything."""
    found: set[Ending] = set()
    asks = step.when is not None and not isinstance(step, Condition)
    if not step.enabled or asks or fans_out(step):
        found.add("skipped")
    if step.enabled and (_is_asked(step) or isinstance(step, Condition | Switch)):
        found.add("failed")
    return frozenset(found)


def _having_run(step: Step) -> Ends:
    """How a step may end that has begun. What ends the run has no end as long as that goes on."""
    if not isinstance(step, Fail | Stop):
        return ANY_END
    found: set[Ending] = set()
    judged = step.failed_when is not None or step.succeeded_when is not None or step.outputs
    if isinstance(step, Fail) or judged or "{" in step.message:  # a name in it may be missing
        found.add("failed")
    if found and ((step.on_error is not None and step.on_error.recover) or step.succeeded_when is not None):
        found.add("succeeded")
    return frozenset(found)


def _is_asked(step: Step) -> bool:
    """Whether something is evaluated, or somebody asked, before it begins."""
    return step.when is not None or fans_out(step) or step.requires_approval
