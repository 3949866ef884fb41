"""Runs a workflow document without Prefect: what a Celery worker does."""

import asyncio
import random
from collections.abc import Iterator

from codegen.leaves import Leaf, own_fields
from codegen.schedule import Node, nodes_of
from codegen.step import Retry
from codegen.workflow import Condition, Step, Workflow, walk
from steps.errors import StepFailed
from steps.kinds import EXECUTORS
from steps.scope import Outcome, Scope
from steps.work import Perform, Work
from steps.workflow_run import Plan

JITTER = 0.5


def plan(workflow: Workflow) -> Plan:
    """What there is to do for a document."""
    return Plan(
        steps=tuple(_works(workflow.steps)),
        on_failure=tuple(_works(workflow.on_failure)),
        finally_=tuple(_works(workflow.finally_)),
        outputs=workflow.outputs,
    )


def _works(steps: tuple[Step, ...]) -> Iterator[Work]:
    by_id = {step.id: step for _, step in walk(steps)}
    return (_work(by_id[node.id], node) for node in nodes_of(steps))


def _work(step: Step, node: Node) -> Work:
    return Work(
        node=node,
        when=step.when,
        on=step.on,
        for_each=step.for_each,
        max_parallel=step.max_parallel,
        perform=_performer(step) if isinstance(step, Leaf) else None,
        chooses=isinstance(step, Condition),
    )


def _performer(step: Leaf) -> Perform:
    execute = EXECUTORS[step.type]  # type: ignore[attr-defined]
    fields = own_fields(step)
    if step.timeout is not None:
        fields["timeout"] = step.timeout

    async def once(scope: Scope) -> Outcome:
        return scope.outputs(await execute(scope, **fields), step.outputs)

    async def perform(scope: Scope) -> Outcome:
        return await with_retries(once, step.retry, scope)

    return perform


async def with_retries(once: Perform, retry: Retry | None, scope: Scope) -> Outcome:
    """Try until it succeeds or the tries are used up; waits between tries as the policy says."""
    attempts = retry.attempts if retry else 1
    for attempt in range(1, attempts + 1):
        try:
            return await once(scope)
        except StepFailed as failure:
            if retry is None or attempt == attempts:
                raise
            delay = retry.delay_before(attempt + 1)
            scope.tell("retrying", text=f"{failure.message}; try {attempt + 1} of {attempts} in {delay:g}s")
            await asyncio.sleep(delay * (random.uniform(1 - JITTER, 1 + JITTER) if retry.jitter else 1))  # noqa: S311
    raise AssertionError("unreachable: the last try returns or raises")
