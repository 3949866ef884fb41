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
from dataclasses import dataclass, replace
from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from codegen.groups import DEFAULT, ELSE, THEN, case_branch
from codegen.result import Report
from codegen.schedule import Node
from codegen.step import Join, Repeat, Retry, RunIf
from flows.artifacts import show_source
from flows.endings import returned
from flows.guard import guarded, terminable
from flows.outline import Entry, works
from flows.parameters import known
from flows.prefect_steps import Edges, performer
from flows.session import Session, current, entered, opened
from flows.subflow import surrounded
from flows.telling import listener_for
from steps.approved_run import run_of
from steps.branching import as_it_equals, as_it_holds
from steps.work import Work
from steps.workflow_run import Plan

__all__ = ["Group", "Repeat", "Retry", "Run"]

AnyTask = Task[..., Any]


@dataclass(frozen=True, slots=True)
class Group:
    """A group of steps, to be named in `after`."""

    name: str


After = Sequence["AnyTask | Group | str"]
_WHOLE = ("retry", "timeout", "outputs")


@dataclass(slots=True)
class _Position:
    """Where the next step goes: into which list, in which branch, below which group, after which step.

    `cases` are those of a switch, as far as they are written down; `about` the step that a list deals with.
    """

    entries: list[Entry]
    group: str | None = None
    branch: str | None = None
    chained: bool = True
    last: str | None = None
    cases: list[str] | None = None
    about: str | None = None


class Run:
    """One run of a generated flow."""

    def __init__(
        self,
        name: str,
        *,
        params: Mapping[str, Any] | None = None,
        secret_params: Mapping[str, str] | None = None,
        targets: Sequence[str] = (),
        timeout: float | None = None,
        workflows: Mapping[str, Any] | None = None,
        requires_approval: bool = False,
    ) -> None:
        self._workflows = workflows or {}
        self._known = {"name": name, "targets": tuple(targets), **known(params or {}, secret_params or {})}
        self._timeout = timeout
        self._requires_approval = requires_approval
        self._sections: dict[str, list[Entry]] = {"steps": [], "on_failure": [], "always": []}
        self._position = _Position(self._sections["steps"])
        self._entries: dict[str, Entry] = {}
        self._edges = Edges()

    def step(
        self,
        step: AnyTask,
        *,
        after: After | None = None,
        join: Join = "all",
        run_if: RunIf = "succeeded",
        enabled: bool = True,
        requires_approval: bool = False,
        when: str | None = None,
        on: str | None = None,
        for_each: str | Sequence[Any] | None = None,
        max_parallel: int | None = None,
        repeat: Repeat | None = None,
        continue_on_error: bool = False,
        idempotent: bool = True,
    ) -> None:
        """A task of the flow, once, or once per target (`on`) or item (`for_each`).

        `when` is an expression: where it is false the step is skipped. `run_if` says whether the step
        runs after the success of those before it, after a failure, or either way; `join` of how many.
        `idempotent=False`: it is not started again after the death of the process that started it.
        """
        step.cache_policy = NO_CACHE  # a step is run for its effect: equal arguments must not skip it
        node = self._node(
            step.name, after, join=join, run_if=run_if, enabled=enabled, tolerated=continue_on_error
        )
        work = Work(
            node=node,
            when=when,
            on=on,
            for_each=for_each,
            max_parallel=max_parallel,
            repeat=repeat,
            idempotent=idempotent,
            perform=performer(step, node.id, self._edges),
        )
        self._enter(Entry(work, requires_approval=requires_approval))

    @contextmanager
    def parallel(self, name: str, *, wait_for: Join = "all", **options: Any) -> Iterator[Group]:
        """The steps of the block start together; `wait_for`: a race that ends when so many have succeeded."""
        with self._group(name, chained=False, whole={"wait_for": wait_for}, **options) as group:
            yield group

    @contextmanager
    def sequential(self, name: str, **options: Any) -> Iterator[Group]:
        """The steps of the block run one after the other."""
        with self._group(name, **options) as group:
            yield group

    @contextmanager
    def condition(self, name: str, when: str, **options: Any) -> Iterator[Group]:
        """A block with a `then` and perhaps an `otherwise`; the expression `when` chooses."""
        with self._group(name, branch=as_it_holds(when), **options) as group:
            yield group

    @contextmanager
    def switch(self, name: str, value: str, **options: Any) -> Iterator[Group]:
        """A block with a `case` for each value and perhaps an `otherwise`; the expression `value` chooses."""
        cases: list[str] = []
        with self._group(name, branch=as_it_equals(value, cases), cases=cases, **options) as group:
            yield group

    @contextmanager
    def then(self) -> Iterator[None]:
        """The steps of a condition that holds."""
        with self._in_branch(THEN):
            yield

    @contextmanager
    def case(self, key: str) -> Iterator[None]:
        """The steps of a switch for one value."""
        if self._position.cases is not None:
            self._position.cases.append(key)
        with self._in_branch(case_branch(key)):
            yield

    @contextmanager
    def otherwise(self) -> Iterator[None]:
        """The steps of a condition that does not hold, or of a switch without a case for its value."""
        with self._in_branch(ELSE if self._position.cases is None else DEFAULT):
            yield

    @contextmanager
    def on_error(
        self, step: AnyTask | Group | str, *, when: str | None = None, recover: bool = False
    ) -> Iterator[None]:
        """Steps that run when this one failed; they see `error`. `recover`: then it counts as succeeded."""
        entry = self._entries[_name_of(step)]
        entry.when, entry.recover = when, recover
        with self._at(_Position(entry.on_error, about=entry.work.id)):
            yield

    @contextmanager
    def rollback(self, step: AnyTask | Group | str) -> Iterator[None]:
        """Steps that undo this one, should the workflow fail after it."""
        entry = self._entries[_name_of(step)]
        with self._at(_Position(entry.rollback, about=entry.work.id)):
            yield

    @contextmanager
    def on_failure(self) -> Iterator[None]:
        """Steps that run after the workflow failed; they see `error`."""
        with self._at(_Position(self._sections["on_failure"])):
            yield

    @contextmanager
    def always(self) -> Iterator[None]:
        """Steps that run at the end, whatever happened."""
        with self._at(_Position(self._sections["always"])):
            yield

    async def finish(self, outputs: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Run all steps. The flow returns what this gives: the outputs, or a Failed or Cancelled state."""
        session = current() or opened(str(flow_run.id))
        steps, on_failure, always = (works(entries, self._edges) for entries in self._sections.values())
        plan = Plan(steps, on_failure, always, outputs=outputs or {}, timeout=self._timeout)
        session.report = await session.unless_left(self._carried_out(plan, session))
        return returned(session.report)  # type: ignore[no-any-return]

    async def _carried_out(self, plan: Plan, session: Session) -> Report:
        around = surrounded(session, self._workflows, listener=listener_for(session), **self._known)
        run = run_of(plan, around, requires_approval=self._requires_approval)
        with session.cancels(run.cancel):
            if current() is session:
                # Again: a subflow has Prefect's handler back in place.
                with terminable(session), session.as_subflow(str(flow_run.id)):
                    await show_source(session, str(self._known["name"]))
                    return await run.run()
            with entered(session):
                async with guarded(session):
                    return await run.run()

    def _node(self, name: str, after: After | None, **options: Any) -> Node:
        position = self._position
        before = (position.last,) if position.chained and position.last else ()
        node = Node(
            id=name,
            after=before if after is None else tuple(map(_name_of, after)),
            branch=position.branch,
            **options,
        )
        position.last = name
        about = (position.about,) if position.about else ()
        self._edges.add(replace(node, parent=position.group, after=node.after or about))
        return node

    def _enter(self, entry: Entry) -> None:
        self._position.entries.append(entry)
        self._entries[entry.work.id] = entry

    @contextmanager
    def _group(
        self,
        name: str,
        *,
        after: After | None = None,
        join: Join = "all",
        run_if: RunIf = "succeeded",
        enabled: bool = True,
        continue_on_error: bool = False,
        chained: bool = True,
        cases: list[str] | None = None,
        whole: Mapping[str, Any] = {},
        **options: Any,
    ) -> Iterator[Group]:
        """`options`: what a step says of its executions, and a group of its steps as a whole."""
        asks = options.pop("requires_approval", False)
        together = {key: options.pop(key) for key in _WHOLE if key in options}
        node = self._node(
            name,
            after,
            join=join,
            run_if=run_if,
            enabled=enabled,
            tolerated=continue_on_error,
            is_group=True,
        )
        entry = Entry(Work(node=node, **options), True, requires_approval=asks, whole={**whole, **together})
        self._enter(entry)
        with self._at(_Position(entry.children, name, chained=chained, cases=cases)):
            yield Group(name)

    @contextmanager
    def _in_branch(self, branch: str) -> Iterator[None]:
        with self._at(_Position(self._position.entries, self._position.group, branch)):
            yield

    @contextmanager
    def _at(self, position: _Position) -> Iterator[None]:
        outer, self._position = self._position, position
        try:
            yield
        finally:
            self._position = outer


def _name_of(step: AnyTask | Group | str) -> str:
    return step if isinstance(step, str) else step.name
