"""A step of a generated flow as a Prefect task run, and the edges between task runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from copy import copy
from functools import wraps
from itertools import islice
from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext
from prefect.states import Cancelled, Failed
from prefect.utilities.engine import link_state_to_task_run_result

from codegen.schedule import Node
from flows.endings import SUSPENDED, suspended
from flows.session import current
from steps.clock import present
from steps.errors import InnerLost, StepFailed
from steps.scope import Outcome, Scope
from steps.work import Perform

# The graph of a fan-in of thousands is unreadable, and every edge costs a visit per task run.
MOST_EDGES = 100
Place = tuple[int, ...]


class End:
    """The end of a task run, as Prefect's `wait_for` takes it.

    Prefect links it to the task run as it links a result. The state itself would do as well, but Prefect
    walks through all that a state holds and asks an event loop for its result: 4 ms of CPU for each edge.
    """

    __slots__ = ("__weakref__",)


class Edges:
    """Which task runs a step comes after, for the graph in Prefect's UI.

    A group stands for the task runs of its last steps, a step that did not run for those before it. Steps
    that are a part of the executions of another one come after those of the same execution only.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._children: dict[str, list[str]] = {}
        self._around: dict[str, int] = {}
        self._ended: dict[str, list[tuple[Place, End]]] = {}
        self._known: dict[tuple[str, Place], list[End]] = {}

    def add(self, node: Node) -> None:
        """A step of the flow, with the group that it stands in."""
        self._nodes[node.id] = node
        if node.parent is not None:
            self._children.setdefault(node.parent, []).append(node.id)

    def place(self, step: str, around: int) -> None:
        """Of how many executions of other steps it is a part."""
        self._around[step] = around

    def ran(self, step: str, scope: Scope, state: State[Any]) -> None:
        """A task run of the step ended in this state."""
        end = End()
        link_state_to_task_run_result(state, end)
        self._ended.setdefault(step, []).append((self._place(step, scope), end))

    def before(self, step: str, scope: Scope) -> list[End]:
        """The ends of the task runs that this execution of a step comes after."""
        place = self._place(step, scope)
        if (step, place) not in self._known:
            self._known[step, place] = list(islice(self._ends(step, place), MOST_EDGES))
        return self._known[step, place]

    def _place(self, step: str, scope: Scope) -> Place:
        return tuple(spot.index for spot in scope.spots[: self._around.get(step, 0)])

    def _ends(self, step: str, place: Place) -> Iterator[End]:
        """Walks back without recursion: a thousand skipped steps in a row are no reason to fail."""
        seen: set[str] = set()
        todo = [*reversed(self._previous(step))]
        while todo:
            id = todo.pop()
            if id in seen:
                continue
            seen.add(id)
            if id in self._ended:
                yield from (end for there, end in self._ended[id] if _agree(place, there))
            else:
                todo += reversed(self._last_in(id) or self._previous(id))

    def _previous(self, step: str) -> Sequence[str]:
        """What a step, or else the nearest group around it that comes after anything, comes after."""
        node: Node | None = self._nodes[step]
        while node is not None and not node.after:
            node = self._nodes[node.parent] if node.parent is not None else None
        return node.after if node is not None else ()

    def _last_in(self, group: str) -> list[str]:
        children = self._children.get(group, [])
        inner = {id for child in children for id in self._nodes[child].after}
        return [child for child in children if child not in inner]


def _agree(one: Place, other: Place) -> bool:
    """Whether two places are parts of the same execution, as far as both are parts of one."""
    return all(a == b for a, b in zip(one, other, strict=False))


def performer(step: Task[..., Any], id: str, edges: Edges) -> Perform:
    """How the driver runs a step: as a task run, whose retries are Prefect's."""
    task = _ending_well(step)

    async def perform(scope: Scope) -> Outcome:
        scope.tried = scope.attempts
        state: State[Any] = await task(scope, return_state=True, wait_for=edges.before(id, scope))
        edges.ran(id, scope, state)
        if state.is_cancelled() or state.name == SUSPENDED:
            raise asyncio.CancelledError
        outcome = await state.aresult(raise_on_failure=False)
        if isinstance(outcome, Outcome):
            _forget_parts(outcome)
            return outcome
        if isinstance(outcome, StepFailed):
            raise outcome
        if isinstance(outcome, BaseException):
            raise StepFailed(f"{type(outcome).__name__}: {outcome}") from outcome
        raise StepFailed(f"the task {id!r} returned {type(outcome).__name__}; a step returns an Outcome")

    return perform


def _forget_parts(outcome: Outcome) -> None:
    """Prefect links the parts of a result to their task run by their address, which others have later.

    It would take an argument that comes to lie there for that result, and draw an edge that isn't there.
    """
    context = FlowRunContext.get()
    if context is not None:
        for part in (outcome.result, outcome.outputs):
            context.run_results.pop(id(part), None)


def _ending_well(step: Task[..., Any]) -> Task[..., Any]:
    """The step as a task whose run ends as the step did, with the cause as its message and no traceback.

    Left to itself, Prefect calls a cancelled task Crashed, and logs a failed one with 40 lines of frames.
    """
    if step.timeout_seconds is not None:
        return step  # Prefect ends it by a cancellation, too

    task = copy(step)
    task.fn = _in_states(step)
    outside = [present().outside(delay) for delay in _delays(step)]
    task.retry_condition_fn = step.retry_condition_fn or _may_try_again
    task.retry_delay_seconds = outside if any(outside) else []  # zeros would make Prefect schedule the retry
    return task


def _may_try_again(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 - as it is asked
    failure = state.data if isinstance(state.data, StepFailed) else getattr(state.data, "result", None)
    return not isinstance(failure, InnerLost)


def _delays(step: Task[..., Any]) -> list[float]:
    """Seconds to wait after the first, second, ... try; after all further ones the last."""
    delays = step.retry_delay_seconds or 0
    return [*map(float, delays)] if isinstance(delays, list) else [float(delays)]


async def _wait_for_the_rest(delays: Sequence[float], tries: int) -> None:
    """What Prefect will not wait for after so many tries."""
    delay = delays[min(tries, len(delays)) - 1]
    if rest := delay - present().outside(delay):
        await present().sleep(rest)


def _in_states(step: Task[..., Any]) -> Callable[..., Awaitable[Any]]:
    @wraps(step.fn)
    async def run(scope: Scope) -> Any:
        try:
            return await step.fn(scope)
        except asyncio.CancelledError:
            here = current()
            if here is not None and here.outermost.left:
                return suspended()
            return Cancelled(message="The step was cancelled")
        except StepFailed as failure:
            tries = scope.attempts - scope.tried
            if tries <= step.retries and not isinstance(failure, InnerLost):
                scope.tell("retrying", text=f"{failure.message}; try {tries + 1} of {step.retries + 1}")
                await _wait_for_the_rest(_delays(step), tries)
            return Failed(message=failure.message, data=failure)

    return run
