"""A workflow on Celery as one Prefect task run, which shows what the worker does as it does it."""

from collections.abc import Sequence
from datetime import datetime
from logging import WARNING
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import task_run
from prefect.states import Cancelled, Completed, Failed

from celery_bridge.errors import BridgeError, WorkerLost
from celery_bridge.relay import AnyLogger, Relay
from celery_bridge.remote import link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from codegen.reasons import LOST, cancellation, failure
from steps.events import Event, Listener, ignore

LONGEST_NAME = 100


def _run_name() -> str:
    document = task_run.parameters.get("workflow") or {}
    name = str(document.get("name", "workflow")).strip().splitlines() or ["workflow"]
    return f"celery: {name[0][:LONGEST_NAME]}"


@task(
    name="run-on-celery",
    task_run_name=_run_name,
    description="A Celery worker runs the workflow; this task follows it.",
    cache_policy=NO_CACHE,
    persist_result=False,
)
async def run_on_celery(
    workflow: dict[str, Any],
    parameters: dict[str, Any],
    targets: Sequence[str] = (),
    *,
    run_id: str,
    settings: BridgeSettings,
    listener: Listener = ignore,
    again: bool = False,
    again_from: str | None = None,
    began: datetime | None = None,
) -> State[Any]:
    """Run a workflow document on Celery; the task run ends as the workflow did, with its report as data.

    With a `run_id` that was sent before, it follows that run; `again`: unless that is over, then the run is
    tried again, and keeps what succeeded, except for `again_from` and what comes after it. Cancelled, it ends
    the run and reports what was done until then (`cancelled` is true). Failed with EngineUnreachable as data:
    nothing was run; with EngineFailed: the run ended without a report.
    """
    logger: AnyLogger = get_run_logger()
    submission = Submission(workflow, parameters, targets, run_id, again, again_from, began)

    def noticed(text: str, level: int) -> None:
        logger.log(level, text)
        if level >= WARNING:
            listener(Event("line", "celery", text=text))

    try:
        report = await run_remotely(link_to(settings), submission, Relay(logger, listener), noticed)
    except BridgeError as error:
        # As a state: raised, it would fill the log with its traceback.
        return Failed(name=LOST if isinstance(error, WorkerLost) else None, message=str(error), data=error)
    if report.cancelled:
        return Cancelled(message=cancellation(report), data=report)
    return Completed(data=report) if report.success else Failed(message=failure(report), data=report)
