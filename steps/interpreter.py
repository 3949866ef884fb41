"""Runs a workflow document without Prefect: what a Celery worker does."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from codegen.groups import Condition, Parallel, Step, Switch, branches, is_apart
from codegen.leaves import Leaf, own_fields
from codegen.parameters import check_values, secret_parameters
from codegen.schedule import Node, nodes_of
from codegen.step import OnError
from codegen.sub_workflows import Library
from codegen.workflow import Workflow
from steps.block import Block, enough
from steps.branching import as_it_equals, as_it_holds
from steps.events import Listener, ignore
from steps.executor import Executor
from steps.journal import Journal
from steps.judging import judged
from steps.kinds import EXECUTORS
from steps.output_keeper import Outputs
from steps.scope import Errand, Outcome, Scope, Surroundings
from steps.secret_values import Secrets
from steps.task_service import TaskService
from steps.tries import with_retries
from steps.work import Branch, Handlers, Perform, Work
from steps.workflow_run import Plan, WorkflowRun

Executors = Mapping[str, Executor[...]]


def interpret(
    workflow: Workflow,
    *,
    run_id: str,
    parameters: Mapping[str, Any] | None = None,
    targets: Sequence[str] | None = None,
    listener: Listener = ignore,
    executors: Executors = EXECUTORS,
    secrets: Secrets | None = None,
    journal: Journal | None = None,
    celery: TaskService | None = None,
    outputs: Outputs | None = None,
) -> WorkflowRun:
    """A run of a document, ready to `run()`; `targets` stand in for the document's own.

    `secrets` finds those that the document names; without it none are found. `journal` knows what earlier
    lives of the run did. `celery` runs the tasks of Celery apps. `outputs` says where to store
    what steps write.

    Raises `ParameterError` where the parameters don't fit.
    """
    return _run(
        Errand(
            workflow=workflow,
            library=Library(workflow.workflows),
            parameters=check_values(workflow.parameters, parameters or {}),
            targets=tuple(workflow.targets if targets is None else targets),
            run_id=run_id,
            path="",
            listener=listener,
            secrets=secrets or Secrets(),
            journal=journal or Journal(run_id),
            outputs=outputs or Outputs(),
        ),
        executors,
        celery,
    )


def _run(errand: Errand, executors: Executors, celery: TaskService | None) -> WorkflowRun:
    """A run of a document, in which those that it runs are run in the same way."""
    return WorkflowRun(
        plan(errand.workflow, executors),
        Surroundings(
            run_id=errand.run_id,
            name=errand.workflow.name,
            params=errand.parameters,
            secret_params=secret_parameters(errand.workflow.parameters),
            targets=errand.targets,
            listener=errand.listener,
            library=errand.library,
            run_document=partial(_run, executors=executors, celery=celery),
            celery=celery,
            path=errand.path,
            secrets=errand.secrets,
            journal=errand.journal,
            outputs=errand.outputs,
        ),
    )


def plan(workflow: Workflow, executors: Executors = EXECUTORS) -> Plan:
    """What there is to do for a document."""
    return Plan(
        steps=_works(workflow.steps, executors),
        on_failure=_works(workflow.on_failure, executors),
        finally_=_works(workflow.finally_, executors),
        outputs=workflow.outputs,
        timeout=workflow.timeout,
    )


def _works(steps: tuple[Step, ...], executors: Executors) -> tuple[Work, ...]:
    nodes = {node.id: node for node in nodes_of(steps)}
    return tuple(_listed(steps, nodes, executors, None))


def _listed(
    steps: Iterable[Step], nodes: Mapping[str, Node], executors: Executors, around: str | None
) -> Iterator[Work]:
    """Works of one list; `around` is the group that runs it by itself, and so no parent of its steps."""
    for step in steps:
        node = nodes[step.id]
        if node.parent == around:
            node = replace(node, parent=None)
        if isinstance(step, Leaf):
            yield _work(step, node, executors, perform=_performer(step, executors[step.type]))
        elif is_apart(step):
            inner = (one for _, branch in branches(step) for one in branch)
            works = tuple(_listed(inner, nodes, executors, step.id))
            yield _work(step, node, executors, inner=_block(step, works))
        else:
            yield _work(step, node, executors, branch=_branch(step))
            for _, inner_steps in branches(step):
                yield from _listed(inner_steps, nodes, executors, around)


def _work(step: Step, node: Node, executors: Executors, **how: Any) -> Work:
    return Work(
        node=node,
        when=None if isinstance(step, Condition) else step.when,
        on=step.on,
        for_each=step.for_each,
        max_parallel=step.max_parallel,
        repeat=step.repeat,
        idempotent=step.idempotent,
        on_error=_handlers(step.on_error, executors) if step.on_error else None,
        rollback=Block(_works(step.rollback, executors)) if step.rollback else None,
        **how,
    )


def _handlers(on_error: OnError, executors: Executors) -> Handlers:
    return Handlers(Block(_works(on_error.steps, executors)), on_error.when, on_error.recover)


def _block(step: Step, works: tuple[Work, ...]) -> Block:
    return Block(
        works,
        branch=_branch(step),
        enough=enough(step.wait_for) if isinstance(step, Parallel) else None,
        retry=step.retry,
        timeout=step.timeout,
        outputs=step.outputs,
    )


def _branch(step: Step) -> Branch | None:
    match step:
        case Condition():
            return as_it_holds(step.when)
        case Switch():
            return as_it_equals(step.value, step.cases)
        case _:
            return None


def _performer(step: Leaf, execute: Executor[...]) -> Perform:
    fields = own_fields(step)
    if step.timeout is not None:
        fields["timeout"] = step.timeout

    async def once(scope: Scope) -> Outcome:
        attempt = execute(scope, **fields)
        if step.failed_when is not None or step.succeeded_when is not None:
            attempt = judged(scope, attempt, failed_when=step.failed_when, succeeded_when=step.succeeded_when)
        return scope.outputs(await attempt, step.outputs)

    async def perform(scope: Scope) -> Outcome:
        return await with_retries(once, step.retry, scope)

    return perform
