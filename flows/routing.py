"""What the router does: understand, decide, show the decision, run, report."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Cancelled

from codegen.decision import Decision
from codegen.explain import sentence
from codegen.parameters import check_values
from codegen.result import Report
from codegen.routing import decide
from codegen.targets import check_targets
from codegen.workflow import EnginePreference
from flows.artifacts import show_decision
from flows.configuration import routing_policy
from flows.documents import understood
from flows.engines import ENGINES, Job
from flows.guard import guarded
from flows.results import WorkflowRunFailed, result_of
from flows.session import entered, opened
from flows.stopped import cancellation


def run_name() -> str:
    """The name of a run in Prefect's UI: the document's name, as far as it can be known already."""
    workflow = flow_run.parameters.get("workflow")
    named = workflow.get("name") if isinstance(workflow, Mapping) else workflow
    return str(named or "workflow").strip().splitlines()[0][:100] or "workflow"


async def routed(
    workflow: str | Mapping[str, Any],
    parameters: Mapping[str, Any],
    targets: Sequence[str] | None,
    engine_preference: EnginePreference,
    force_engine: bool,
) -> Any:
    """Run a workflow on the engine that suits it. Returns a `RunResult`, or the state of a cancelled run."""
    document = understood(workflow)
    values = check_values(document.parameters, parameters)
    where = check_targets(targets if targets is not None else document.targets)
    decision = decide(
        document.model_copy(update={"targets": where}),
        policy=await routing_policy(),
        engine_preference=engine_preference,
        force_engine=force_engine,
    )
    get_run_logger().info("%s", sentence(decision))
    run_id = str(flow_run.id)
    session = opened(run_id)
    with entered(session):
        async with guarded(session):
            report = await _carried_out(decision, Job(document, values, where, session))
    result = result_of(document, decision, report, run_id)
    if report.cancelled:
        return Cancelled(message=cancellation(report), data=result)
    if not report.success:
        raise WorkflowRunFailed(result)
    return result


async def _carried_out(decision: Decision, job: Job) -> Report:
    """The work itself; the decision is shown meanwhile, so that showing it costs no time."""
    showing = asyncio.create_task(show_decision(decision, UUID(job.session.run_id), set(flow_run.tags)))
    try:
        return await ENGINES[decision.engine](job)
    finally:
        await showing
