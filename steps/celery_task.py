"""`celery_task`: runs tasks of somebody's Celery app.

What is put together of several is taken apart here: each task is a call of its own, sent when its turn comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid5

from codegen.leaves import CeleryTask
from steps.data import json_data, word
from steps.errors import InnerLost, StepFailed, StepTimedOut, TaskLost
from steps.executor import executor
from steps.records import error_of
from steps.scope import Outcome, Scope
from steps.shielded import to_its_end
from steps.task_service import Call, Ended, Revoked, TaskService
from steps.timing import limited

LONGEST_TRACEBACK = 4_000
_IDS = UUID("5f0c6f0e-2b44-4c0f-9a43-6e5a3b1c7d52")

Spec = Mapping[str, Any]


@executor(CeleryTask)
async def celery_task(
    scope: Scope,
    task: str | None = None,
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    queue: str | None = None,
    chain: Sequence[Spec] | None = None,
    group: Sequence[Spec] | None = None,
    chord: Spec | None = None,
    broker: str | None = None,
    ignore_result: bool = False,
    timeout: float | None = None,
) -> Outcome:
    """Run a task of a Celery app; the result is `{value, task, task_id, state, worker}`.

    Of several put together it is `{value, tasks}`, with such an entry for each in the document's order; what
    each returned is in the output `tasks`, too. A task that fails has `error` in its entry.
    """
    ways = {"chain": chain, "group": group, "chord": chord}
    several = {way: spec for way, spec in ways.items() if spec is not None}
    spec: Spec = several or {"task": task, "args": args, "kwargs": kwargs or {}, "queue": queue}
    work = _Work(scope, spec, broker, timeout, ignore_result=ignore_result)
    try:
        async with limited(timeout):
            value = await work.run()
    except asyncio.CancelledError:
        if work.receipts:
            scope.when_cancelled = f"cancelled: {work.receipts}"
        scope.unconfirmed = work.doubts or None
        raise
    except StepTimedOut as error:
        message = f"{error.message}; {work.receipts}" if work.receipts else error.message
        raise StepTimedOut(message, work.result(None)) from error
    except TaskLost as error:
        raise InnerLost(error_of(scope, _asking(scope, error.message)), work.result(None)) from error
    except StepFailed as error:
        raise StepFailed(error.message, work.result(None)) from error
    return outcome_of(work.result(value))


def outcome_of(result: Any) -> Outcome:
    """The outcome of a result; what each of several tasks returned is in the outputs."""
    tasks = result.get("tasks") if isinstance(result, Mapping) else None
    if not isinstance(tasks, list):
        return Outcome(result)
    return Outcome(result, {"tasks": [task.get("value") for task in tasks if isinstance(task, Mapping)]})


def _asking(scope: Scope, reason: str) -> str:
    journal, step = scope.surroundings.journal, scope.path.partition("/")[0]
    start = journal.owners.get(step, step)
    return f"{reason}. Find out; then `opsconductor retry {journal.run_id} --from {start}` sends it anew"


class _Work:
    """The calls of one try, and what became of them, in the order of the document."""

    def __init__(
        self, scope: Scope, spec: Spec, broker: str | None, timeout: float | None, *, ignore_result: bool
    ) -> None:
        if scope.surroundings.celery is None:
            raise StepFailed("tasks of Celery apps can be run by runs on Celery and in Prefect only")
        self._celery: TaskService = scope.surroundings.celery
        self._scope = scope
        self._broker = broker
        self._timeout = timeout
        self._ignore_result = ignore_result
        self._mark = f"{scope.key} {scope.surroundings.journal.mark(scope.key)} {scope.attempts}"
        self._spec = spec
        self._entries = {path: self._unsent(path, part) for path, part in _tasks(spec)}
        self._revoked: list[Revoked] = []

    @property
    def receipts(self) -> str:
        """What is known of the calls that were revoked."""
        return "; ".join(one.text for one in self._revoked)

    @property
    def doubts(self) -> str:
        """Those of them that may go on."""
        return "; ".join(one.text for one in self._revoked if not one.confirmed)

    def result(self, value: Any) -> Any:
        """What the step has to tell."""
        if "" in self._entries:
            return self._entries[""]
        return {"value": value, "tasks": list(self._entries.values())}

    async def run(self) -> Any:
        """What comes out of all of it."""
        return await self._value(self._spec, "", ())

    async def _value(self, spec: Spec, path: str, given: Sequence[Any], parent: str | None = None) -> Any:
        """What comes out of it; `given` is what the task before it returned."""
        if "chain" in spec:
            return await self._chained(spec["chain"], f"{path}.chain", given, parent)
        if "group" in spec:
            return await self._side_by_side(spec["group"], f"{path}.group", given, parent)
        if "chord" in spec:
            chord = spec["chord"]
            header = await self._side_by_side(chord["header"], f"{path}.chord.group", given, parent)
            return await self._value(chord["body"], f"{path}.chord.body", [header], parent)
        return await self._called(spec, path, () if spec.get("immutable") else given, parent)

    async def _chained(
        self, specs: Sequence[Spec], path: str, given: Sequence[Any], parent: str | None
    ) -> Any:
        value = None
        for index, spec in enumerate(specs):
            here = f"{path}[{index}]"
            value = await self._value(spec, here, given, parent)
            given, parent = [value], self._id(here) if "task" in spec else parent
        return value

    async def _side_by_side(
        self, specs: Sequence[Spec], path: str, given: Sequence[Any], parent: str | None
    ) -> list[Any]:
        """All of them run to their ends, whatever becomes of the others."""
        parts = [self._value(spec, f"{path}[{index}]", given, parent) for index, spec in enumerate(specs)]
        values = await asyncio.gather(*parts, return_exceptions=True)
        for value in values:
            if isinstance(value, BaseException):
                raise value
        return values

    async def _called(self, spec: Spec, path: str, given: Sequence[Any], parent: str | None) -> Any:
        call, entry = self._call(spec, path, given, parent), self._entries[path]
        entry["state"] = "PENDING"
        try:
            ended = await self._celery.run(call, self._scope.line)
        except asyncio.CancelledError:
            if not self._scope.surroundings.journal.abandoned:  # else another life follows it
                revoking = asyncio.ensure_future(self._celery.revoke(call))
                with suppress(asyncio.CancelledError):  # it ends with one in any case
                    await to_its_end(revoking)
                self._revoked.append(revoking.result())
                self._scope.line(self._revoked[-1].text)
            raise
        entry |= {"state": ended.state, "worker": ended.worker}
        if ended.error is not None:
            entry["error"] = self._failure(ended)
            raise StepFailed(f"{call.task}: {ended.error.type}: {ended.error.message}")
        entry["value"] = json_data(ended.value, f"what {call.task} returned")
        return entry["value"]

    def _unsent(self, path: str, spec: Spec) -> dict[str, Any]:
        return {
            "value": None,
            "task": spec["task"],
            "task_id": self._id(path),
            "state": None,
            "worker": None,
        }

    def _failure(self, ended: Ended) -> dict[str, str]:
        assert ended.error is not None  # noqa: S101 - as its caller sees to
        mask, trace = self._scope.mask, ended.error.traceback
        was_cut = len(trace) > LONGEST_TRACEBACK
        trace = mask.cut(mask.text(trace)[-LONGEST_TRACEBACK:], start=was_cut)
        for line in trace.splitlines():
            self._scope.line(line, "stderr")
        return {"type": ended.error.type, "message": ended.error.message, "traceback": trace}

    def _call(self, spec: Spec, path: str, given: Sequence[Any], parent: str | None) -> Call:
        queue = spec.get("queue")
        return Call(
            id=self._id(path),
            task=spec["task"],
            args=[*given, *json_data(list(spec.get("args", ())), "args")],
            kwargs=json_data(dict(spec.get("kwargs", {})), "kwargs"),
            queue=word(queue, "queue").strip() or None if queue is not None else None,
            broker=self._broker,
            parent=parent,
            expires=self._timeout,
            ignore_result=self._ignore_result,
        )

    def _id(self, path: str) -> str:
        return str(uuid5(_IDS, f"{self._mark}{path}"))


def _tasks(spec: Spec, path: str = "") -> Iterator[tuple[str, Spec]]:
    """All tasks, in the order of the document, each with its place."""
    match spec:
        case {"chain": parts}:
            path = f"{path}.chain"
        case {"group": parts}:
            path = f"{path}.group"
        case {"chord": chord}:
            yield from _tasks({"group": chord["header"]}, f"{path}.chord")
            yield from _tasks(chord["body"], f"{path}.chord.body")
            return
        case _:
            yield path, spec
            return
    for index, part in enumerate(parts):
        yield from _tasks(part, f"{path}[{index}]")
