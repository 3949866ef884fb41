"""Runs a workflow document without Prefect: what a Celery worker does."""

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from codegen.leaves import Leaf, own_fields
from codegen.parameters import check_values
from codegen.schedule import Node, nodes_of
from codegen.step import Retry
from codegen.workflow import Condition, Step, Workflow, walk
from steps.errors import StepFailed
from steps.events import Listener, ignore
from steps.executor import Executor
from steps.kinds import EXECUTORS
from steps.scope import Outcome, Scope, Surroundings
from steps.work import Perform, Work
from steps.workflow_run import Plan, WorkflowRun

JITTER = 0.5
Executors = Mapping[str, Executor[...]]


def interpret(
    workflow: Workflow,
    *,
    run_id: str,
    parameters: Mapping[str, Any] | None = None,
    targets: Sequence[str] | None = None,
    listener: Listener = ignore,
    executors: Executors = EXECUTORS,
) -> WorkflowRun:
    """A run of a document, ready to `run()`; `targets` stand in for the document's own.

    Raises `ParameterError` where the parameters don't fit.
    """
    return WorkflowRun(
        plan(workflow, executors),
        Surroundings(
            run_id=run_id,
            name=workflow.name,
            params=check_values(workflow.parameters, parameters or {}),
            targets=tuple(workflow.targets if targets is None else targets),
            listener=listener,
        ),
    )


def plan(workflow: Workflow, executors: Executors = EXECUTORS) -> Plan:
    """What there is to do for a document."""
    return Plan(
        steps=tuple(_works(workflow.steps, executors)),
        on_failure=tuple(_works(workflow.on_failure, executors)),
        finally_=tuple(_works(workflow.finally_, executors)),
        outputs=workflow.outputs,
    )


def _works(steps: tuple[Step, ...], executors: Executors) -> Iterator[Work]:
    by_id = {step.id: step for _, step in walk(steps)}
    return (_work(by_id[node.id], node, executors) for node in nodes_of(steps))


def _work(step: Step, node: Node, executors: Executors) -> Work:
    return Work(
        node=node,
        when=step.when,
        on=step.on,
        for_each=step.for_each,
        max_parallel=step.max_parallel,
        perform=_performer(step, executors[step.type]) if isinstance(step, Leaf) else None,
        chooses=isinstance(step, Condition),
    )


def _performer(step: Leaf, execute: Executor[...]) -> Perform:
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
    attempt = 1
    while True:
        try:
            return await once(scope)
        except StepFailed as failure:
            if retry is None or attempt >= retry.attempts:
                raise
            attempt += 1
            delay = wait_before(attempt, retry)
            again = f"try {attempt} of {retry.attempts} in {delay:.3g}s"
            scope.tell("retrying", text=f"{failure.message}; {again}")
        await asyncio.sleep(delay)


def wait_before(attempt: int, retry: Retry) -> float:
    """Seconds before a try; `jitter` makes them up to half as long or as short again, within `max_delay`."""
    delay = retry.delay_before(attempt)
    if not retry.jitter:
        return delay
    scattered = delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    return scattered if retry.max_delay is None else min(scattered, retry.max_delay)
