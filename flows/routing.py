"""What the router does: understand, decide, show the decision, run, report."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from celery_bridge.never_started import never_started
from codegen.concurrency import claim_of
from codegen.document import canonical
from codegen.explain import sentence
from codegen.parameters import check_values
from codegen.routing import decide
from codegen.targets import check_targets
from codegen.workflow import EnginePreference
from flows.admission import admitted
from flows.artifacts import show_decision
from flows.configuration import routing_policy
from flows.documents import understood
from flows.endings import unsuccessful
from flows.engines import ENGINES, Job
from flows.guard import guarded
from flows.results import result_of
from flows.session import entered, opened


async def routed(
    workflow: str | Mapping[str, Any],
    parameters: Mapping[str, Any],
    targets: Sequence[str],
    engine_preference: EnginePreference,
    force_engine: bool,
) -> Any:
    """Run a workflow on the engine that suits it. Gives a `RunResult`, in a state unless it succeeded."""
    document = understood(workflow)
    values = check_values(document.parameters, parameters)
    where = check_targets(targets or document.targets)
    run_id = str(flow_run.id)
    claim = claim_of(document, values, where, run_id)
    decision = decide(
        document.model_copy(update={"targets": where}),
        policy=await routing_policy(),
        engine_preference=engine_preference,
        force_engine=force_engine,
    )
    get_run_logger().info("%s", sentence(decision))
    show = partial(show_decision, decision, document.name, UUID(run_id))
    session = opened(run_id)
    with entered(session):
        async with guarded(session), admitted(claim, session, set(flow_run.tags), show) as refusal:
            if refusal is None:
                report = await ENGINES[decision.engine](Job(document, values, where, session))
            else:
                report = never_started(canonical(document))
    result = result_of(document, decision, report, run_id, refusal)
    return unsuccessful(report, result.error_message, result) or result
