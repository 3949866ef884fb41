"""The Celery task that runs a workflow. It belongs to no app: `-I celery_bridge.tasks` adds it to yours.

Delivered twice, it runs once: a run that has its report is left alone, one that another process is at is
waited for. After the death of a worker another one goes on with it: steps that had ended are not run again,
those that were running are, so a step runs at least once, and one that is not idempotent at most once.
"""

from typing import Any

from celery import Task, shared_task

from celery_bridge import introduction, kept
from celery_bridge.hosting import Assignment, Place, host
from celery_bridge.settings import BridgeSettings
from celery_bridge.termination import Termination

RUN_WORKFLOW = "opsconductor.run_workflow"
INTRODUCE = introduction.INTRODUCE  # the worker learns the command by this import


@shared_task(  # type: ignore[untyped-decorator]
    name=RUN_WORKFLOW,
    bind=True,
    acks_late=True,
    reject_on_worker_lost=True,
    track_started=True,
    store_errors_even_if_ignored=True,  # which the follower listens for
)
def run_workflow(
    self: Task,
    document: dict[str, Any],
    parameters: dict[str, Any],
    targets: list[str],
    run_id: str,
    attempt: int = 1,
    again_from: str | None = None,
    forgotten: bool = False,
) -> dict[str, str]:
    """Run a workflow document and stream what happens to `opsconductor:run:{run_id}:events`.

    A later `attempt` keeps what succeeded before, except for `again_from` and what comes after it;
    `forgotten`: what was done before is not known any more.
    Returns how it ended; the report is the last entry of the stream.
    """
    settings = BridgeSettings.of_app(self.app)
    assignment = Assignment(document, parameters, targets, run_id, attempt, again_from, forgotten)
    with Termination() as termination:
        verdict = kept.run(
            settings.result_backend,
            lambda backend: host(assignment, settings, backend, _place(self), termination),
        )
    return {"run_id": run_id, "verdict": verdict}


def _place(task: Task) -> Place:
    delivery = task.request.delivery_info or {}
    return Place(str(task.request.hostname), str(delivery.get("routing_key") or ""))
