"""`workflow`: runs another document."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from codegen.errors import ParameterError
from codegen.leaves import SubWorkflow
from codegen.parameters import check_values
from codegen.reasons import failure, not_undone
from codegen.result import Report
from codegen.targets import check_targets
from codegen.workflow import Workflow
from steps.data import json_data
from steps.errors import InnerLost, StepFailed
from steps.events import Event, Listener
from steps.executor import executor
from steps.receipts import doubts_of
from steps.records import error_of
from steps.scope import Errand, Outcome, Running, Scope
from steps.timing import limited


@executor(SubWorkflow)
async def run_workflow(
    scope: Scope,
    workflow: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    targets: Sequence[Any] | None = None,
    timeout: float | None = None,
) -> Outcome:
    """Run another document to its end; its outputs are the step's outputs.

    Cancelled or out of time, it is ended in order: undone, with its `finally`.
    """
    run = _begun(scope, workflow, parameters or {}, targets)
    async with limited(timeout):
        report = await _to_its_end(run, scope)
    result = {"success": report.success, "outputs": report.outputs}
    if report.cancelled and scope.surroundings.halt.closed:
        scope.unconfirmed = doubts_of(report.receipt)
        raise asyncio.CancelledError  # an earlier life was told to, and this one brought it to its end
    if not report.success:
        reason = "it was cancelled" if report.cancelled else failure(report)
        message = f"{workflow}: {reason}"
        if any(record.status == "lost" for record in report.steps.values()):
            raise InnerLost(error_of(scope, message), result)
        raise StepFailed(message, result)
    return Outcome(result, report.outputs)


def _begun(scope: Scope, name: str, parameters: Mapping[str, Any], targets: Sequence[Any] | None) -> Running:
    around = scope.surroundings
    known = around.library.find(name) if around.library is not None else None
    if known is None or around.run_document is None:
        raise StepFailed(f"no document named {name!r} came with this one; define it under workflows")
    document, library = known
    values, where = _handed_over(name, document, parameters, targets)
    return around.run_document(
        Errand(
            workflow=document,
            library=library,
            parameters=values,
            targets=where,
            run_id=scope.key,
            path=f"{scope.path}/",
            listener=_inside(scope),
            secrets=around.secrets,
            journal=around.journal,
            outputs=around.outputs,
        )
    )


def _handed_over(
    name: str, document: Workflow, parameters: Mapping[str, Any], targets: Sequence[Any] | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the document is given; what templates made of it can only be checked now."""
    given = {key: json_data(value, f"parameter {key!r}") for key, value in parameters.items()}
    named = document.targets if targets is None else targets
    flat = [one for target in named for one in (target if isinstance(target, list | tuple) else (target,))]
    try:
        return check_values(document.parameters, given), check_targets(map(str, flat))
    except ParameterError as error:
        problems = "; ".join(f"{problem.path}: {problem.message}" for problem in error.problems)
        raise StepFailed(f"{name}: {problems}") from error


async def _to_its_end(run: Running, scope: Scope) -> Report:
    """The report, also of a run that is cancelled on the way: nothing of it goes on unseen."""
    work = asyncio.ensure_future(run.run())
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        run.cancel()
        await _ended(work)
        if work.exception() is None:
            scope.unconfirmed = doubts_of(work.result().receipt)
            for error in work.result().not_undone:
                scope.line(not_undone(error))
        raise


async def _ended(work: asyncio.Future[Report]) -> None:
    """Wait for it, however often one is asked not to."""
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            continue


def _inside(scope: Scope) -> Listener:
    """Tells what happens in the other document under the label of this execution: `deploy [2]/copy`."""
    here = scope.label

    def tell(event: Event) -> None:
        scope.surroundings.listener(replace(event, step=f"{here}/{event.step}", position=""))

    return tell
