"""Judges whether each queue that workflows go through has a worker."""

from collections.abc import Iterator

from doctor.documents import DocumentsSeen
from doctor.findings import Finding, fault, fine
from doctor.rabbitmq import RabbitSeen
from doctor.workers import WorkersSeen


def judge_attendance(
    seen: WorkersSeen, rabbit: RabbitSeen | None, documents: DocumentsSeen
) -> Iterator[Finding]:
    """Somebody takes from each queue, also from those that documents name, and knows what is in it."""
    waiting = dict(seen.waiting)
    if rabbit is not None:
        waiting = {queue.name: queue.messages for queue in rabbit.queues}
    for queue in dict.fromkeys((*seen.queues, *documents.queues)):
        yield _attended(seen, queue, waiting.get(queue), documents.queues.get(queue))


def _attended(seen: WorkersSeen, queue: str, waiting: int | None, document: str | None) -> Finding:
    workers = [worker for worker in seen.workers if queue in worker.queues]
    able = [worker.name for worker in workers if worker.takes_workflows]
    names = [worker.name for worker in workers]
    evidence = {"queue": queue, "workers": names, "elsewhere": list(seen.elsewhere), "waiting": waiting}
    held = f", {waiting} wait in it" if waiting is not None else ""
    wanted = f", which {document!r} goes through" if document is not None else ""
    if able:
        many = "1 worker takes" if len(able) == 1 else f"{len(able)} workers take"
        return fine(f"{many} workflows from the queue {queue!r}{held}", **evidence)
    if names:
        return fault(
            f"the workers of the queue {queue!r} don't know workflows{held}",
            "they lack the task opsconductor.run_workflow, and throw workflows away",
            "start them with `-I celery_bridge.tasks`",
            **evidence,
        )
    return fault(
        f"no worker takes from the queue {queue!r}{wanted}{held}",
        _who_answers(seen),
        _cure(queue, usual=queue in seen.queues),
        **evidence,
    )


def _who_answers(seen: WorkersSeen) -> str:
    others = len(seen.workers) + len(seen.elsewhere)
    return f"{others} answer and take from other queues" if others else "none answers"


def _cure(queue: str, *, usual: bool) -> str:
    built_in = "`opsconductor up`" if usual else f"`opsconductor up` with OPSCONDUCTOR_QUEUES={queue}=2"
    return f"{built_in}, or `celery -A celery_bridge.worker worker -Q {queue}` on a machine of yours"
