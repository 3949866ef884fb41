"""How long a broker waits for a worker, against how long documents may take."""

from collections.abc import Iterator

from celery_bridge.app import HOUR, make_app
from celery_bridge.settings import BridgeSettings
from doctor.documents import DocumentsSeen, LongTimeout
from doctor.findings import Finding, doubt, fine
from doctor.rabbitmq import RabbitSeen
from doctor.workers import WorkersSeen

REDIS_DEFAULT = HOUR
RABBITMQ_DEFAULT = HOUR / 2


def our_visibility_timeout(settings: BridgeSettings) -> float:
    """What our own workers set."""
    options = make_app(settings, for_sending=True).conf.broker_transport_options
    return float(options.get("visibility_timeout", REDIS_DEFAULT))


def judge_visibility(ours: float, seen: WorkersSeen, documents: DocumentsSeen) -> Iterator[Finding]:
    """On Redis a message that is not acknowledged in time is handed out again."""
    for worker, conf in seen.settings:
        options = conf.get("broker_transport_options") or {}
        theirs = float(options.get("visibility_timeout", REDIS_DEFAULT))
        yield _judged(f"on {worker.name}", theirs, documents.longest, ours)
    if not seen.workers:
        yield _judged("of our workers", ours, documents.longest, ours)


def _judged(where: str, timeout: float, longest: LongTimeout | None, ours: float) -> Finding:
    evidence = {"visibility_timeout": timeout, "longest_timeout": longest.seconds if longest else None}
    if longest is not None and timeout <= longest.seconds:
        return doubt(
            f"the visibility timeout {where} is {timeout:g} s, less than {longest} may take",
            "then the broker hands the message out again: a workflow's copy holds a process of a worker "
            "until the first one ends, tasks of your own run twice",
            f"set visibility_timeout in broker_transport_options to {max(ours, 2 * longest.seconds):.0f}",
            **evidence,
        )
    return fine(f"the visibility timeout {where} outlasts the timeouts of all documents", **evidence)


def judge_consumer_timeout(seen: RabbitSeen | None, documents: DocumentsSeen) -> Iterator[Finding]:
    """RabbitMQ closes the channel of a worker that does not acknowledge in time."""
    longest = documents.longest
    if seen is None or longest is None:
        return
    evidence = {"default_consumer_timeout": RABBITMQ_DEFAULT, "longest_timeout": longest.seconds}
    if longest.seconds >= RABBITMQ_DEFAULT:
        yield doubt(
            f"RabbitMQ waits 1800 s unless told otherwise, less than {longest} may take",
            "it then closes the worker's channel and hands the message out again; its setting can't be asked",
            f"set `consumer_timeout = {2000 * longest.seconds:.0f}` (milliseconds) in rabbitmq.conf",
            **evidence,
        )
    else:
        yield fine("RabbitMQ's consumer timeout outlasts the timeouts of all documents", **evidence)
