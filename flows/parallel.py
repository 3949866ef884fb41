"""What generated flows share: steps that start the moment their own dependencies allow.

A generated flow names its steps in order and lets the run do the waiting:

    run = Run("Free disk space", params={"path": path}, targets=targets)
    run.step(usage, on="targets")
    with run.parallel("probes"):
        run.step(ping)
        run.step(dns)
    return await run.finish()

A step starts after the one before it, or after those named in `after`; steps of a `parallel` block
start together. Each is a Prefect task, with its own retries, logs and place in the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from codegen.result import Report
from codegen.schedule import Node
from codegen.step import RunIf
from flows.endings import unsuccessful, why
from flows.guard import guarded, terminable
from flows.prefect_steps import Edges, performer
from flows.session import Session, current, entered, opened
from flows.telling import listener_for
from steps.scope import Surroundings
from steps.work import Work
from steps.workflow_run import Plan, WorkflowRun

AnyTask = Task[..., Any]


@dataclass(frozen=True, slots=True)
class Block:
    """A group of steps, to be named in `after`."""

    name: str


After = Sequence["AnyTask | Block | str"]


@dataclass(slots=True)
class _Position:
    """Where the next step goes: below which group, in which branch, after which step."""

    parent: str | None = None
    branch: str | None = None
    chained: bool = True
    last: str | None = None


class Run:
    """One run of a generated flow."""

    def __init__(
        self, name: str, *, params: Mapping[str, Any] | None = None, targets: Sequence[str] = ()
    ) -> None:
        self._name = name
        self._params = dict(params or {})
        self._targets = tuple(targets)
        self._works: list[Work] = []
        self._handlers: dict[str, list[Work]] = {"on_failure": [], "always": []}
        self._section = self._works
        self._position = _Position()
        self._edges = Edges()

    def step(
        self,
        step: AnyTask,
        *,
        after: After | None = None,
        run_if: RunIf = "succeeded",
        when: str | None = None,
        on: str | None = None,
        for_each: str | Sequence[Any] | None = None,
        max_parallel: int | None = None,
        continue_on_error: bool = False,
    ) -> None:
        """A task of the flow, once, or once per target (`on`) or item (`for_each`).

        `when` is an expression: where it is false the step is skipped. `run_if` says whether the step
        runs after the success of those before it, after a failure, or either way.
        """
        step.cache_policy = NO_CACHE  # a step is run for its effect: equal arguments must not skip it
        node = self._node(step.name, after, run_if, continue_on_error)
        self._section.append(
            Work(
                node=node,
                when=when,
                on=on,
                for_each=for_each,
                max_parallel=max_parallel,
                perform=performer(step, node.id, self._edges),
            )
        )

    @contextmanager
    def parallel(self, name: str, **options: Any) -> Iterator[Block]:
        """The steps of the block start together."""
        with self._group(name, chained=False, **options) as block:
            yield block

    @contextmanager
    def sequential(self, name: str, **options: Any) -> Iterator[Block]:
        """The steps of the block run one after the other."""
        with self._group(name, **options) as block:
            yield block

    @contextmanager
    def condition(self, name: str, when: str, **options: Any) -> Iterator[Block]:
        """A block with a `then` and perhaps an `otherwise`; the expression `when` chooses."""
        with self._group(name, when=when, chooses=True, **options) as block:
            yield block

    @contextmanager
    def then(self) -> Iterator[None]:
        """The steps of a condition that holds."""
        with self._at(_Position(self._position.parent, "then")):
            yield

    @contextmanager
    def otherwise(self) -> Iterator[None]:
        """The steps of a condition that does not hold."""
        with self._at(_Position(self._position.parent, "else")):
            yield

    @contextmanager
    def on_failure(self) -> Iterator[None]:
        """Steps that run after the workflow failed; they see `error`."""
        with self._in_section("on_failure"):
            yield

    @contextmanager
    def always(self) -> Iterator[None]:
        """Steps that run at the end, whatever happened."""
        with self._in_section("always"):
            yield

    async def finish(self, outputs: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run all steps. The flow returns what this gives: the outputs, or a Failed or Cancelled state."""
        session = current() or opened(str(flow_run.id))
        plan = Plan(
            steps=tuple(self._works),
            on_failure=tuple(self._handlers["on_failure"]),
            finally_=tuple(self._handlers["always"]),
            outputs=outputs or {},
        )
        report = await self._carried_out(plan, session)
        session.report = report
        # Prefect takes a state that a flow returns as the state it ended in, without a traceback in its logs.
        leaves = [work.id for work in self._works if work.perform is not None]
        ending = unsuccessful(report, why(report, leaves))
        return report.outputs if ending is None else ending  # type: ignore[return-value]

    async def _carried_out(self, plan: Plan, session: Session) -> Report:
        run = WorkflowRun(
            plan,
            Surroundings(
                run_id=session.run_id,
                name=self._name,
                params=self._params,
                targets=self._targets,
                listener=listener_for(session),
            ),
        )
        with session.cancels(run.cancel):
            if current() is session:
                with terminable(session):  # again: a subflow has Prefect's handler back in place
                    return await run.run()
            with entered(session):
                async with guarded(session):
                    return await run.run()

    def _node(self, name: str, after: After | None, run_if: RunIf, tolerated: bool, **more: Any) -> Node:
        position = self._position
        before = (position.last,) if position.chained and position.last else ()
        node = Node(
            id=name,
            after=before if after is None else tuple(map(_name_of, after)),
            run_if=run_if,
            parent=position.parent,
            branch=position.branch,
            tolerated=tolerated,
            **more,
        )
        position.last = name
        self._edges.add(node)
        return node

    @contextmanager
    def _group(
        self,
        name: str,
        *,
        after: After | None = None,
        run_if: RunIf = "succeeded",
        when: str | None = None,
        continue_on_error: bool = False,
        chained: bool = True,
        chooses: bool = False,
    ) -> Iterator[Block]:
        node = self._node(name, after, run_if, continue_on_error, is_group=True)
        self._section.append(Work(node=node, when=when, chooses=chooses))
        with self._at(_Position(name, chained=chained)):
            yield Block(name)

    @contextmanager
    def _in_section(self, section: str) -> Iterator[None]:
        outer, self._section = self._section, self._handlers[section]
        with self._at(_Position()):
            yield
        self._section = outer

    @contextmanager
    def _at(self, position: _Position) -> Iterator[None]:
        outer, self._position = self._position, position
        try:
            yield
        finally:
            self._position = outer


def _name_of(step: AnyTask | Block | str) -> str:
    return step if isinstance(step, str) else step.name
