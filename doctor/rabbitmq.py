"""A RabbitMQ as broker: what it says of itself and of our queue. Nothing is made or changed there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed
from kombu import connection as kombu_connection
from kombu.exceptions import KombuError

from celery_bridge.urls import is_rabbitmq, masked
from doctor.findings import Finding, NotSeen, doubt, fault, fine, skipped
from doctor.redis_checks import judge_product
from doctor.site import Bridge

PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of ours. `quorum` None: it can't be told."""

    name: str
    messages: int
    consumers: int
    quorum: bool | None


@dataclass(frozen=True, slots=True)
class RabbitSeen:
    """A RabbitMQ; a queue is there once a worker or a sender made it."""

    url: str
    product: str
    version: str
    queues: tuple[Queue, ...] = ()


def see_rabbitmq(bridge: Bridge) -> RabbitSeen | None:
    """The broker, or the first of several that answers; None where that is a Redis. NotSeen: none answers."""
    whole = bridge.settings.broker_url
    if not is_rabbitmq(whole):
        return None
    reasons = []
    for url in whole.split(";"):
        try:
            return _asked(url, bridge.queues)
        except _Away as away:
            reasons.append(str(away))
    what, source = f"the broker {masked(whole)} can't be reached", bridge.source
    raise NotSeen(fault(what, "; ".join(reasons), f"start it, or correct {source}", source=source))


class _Away(Exception):
    """One of the brokers can't be reached."""


def _asked(url: str, names: tuple[str, ...]) -> RabbitSeen:
    connect: Any = kombu_connection.Connection  # untyped
    connection = connect(url, connect_timeout=PATIENCE, transport_options={"max_retries": 0})
    errors = (*connection.connection_errors, *connection.channel_errors, KombuError, OSError, ValueError)
    try:
        amqp = connection.transport.establish_connection()
        try:
            told = amqp.server_properties
            queues = tuple(filter(None, (_queue(amqp, name) for name in names)))
        finally:
            connection.transport.close_connection(amqp)
    except errors as error:
        raise _Away(str(error) or type(error).__name__) from error
    finally:
        connection.release()
    return RabbitSeen(masked(url), str(told.get("product", "")), str(told.get("version", "")), queues)


def _queue(amqp: Any, name: str) -> Queue | None:
    try:
        found = amqp.channel().queue_declare(name, passive=True)
    except NotFound:
        return None
    return Queue(name, found.message_count, found.consumer_count, _is_quorum(amqp, name))


def _is_quorum(amqp: Any, name: str) -> bool | None:
    """Declared as what it is, a queue that is there stays as it is; as something else it is refused."""
    arguments = {"x-queue-type": "quorum"}
    try:
        amqp.channel().queue_declare(name, durable=True, auto_delete=False, arguments=arguments)
    except PreconditionFailed as refusal:
        return False if "x-queue-type" in str(refusal) else None
    except AccessRefused:  # this user may use it, and not declare it
        return None
    return True


def judge_rabbitmq_version(seen: RabbitSeen | None) -> Iterator[Finding]:
    """Its version against what we know to work."""
    if seen is not None and seen.product == "RabbitMQ":
        yield from judge_product(seen.product, seen.version, "the broker", seen.url)
    elif seen is not None:
        cause = "only RabbitMQ was tested of those that speak AMQP"
        yield doubt(f"the broker is {seen.product} {seen.version}", cause, "use a RabbitMQ", url=seen.url)


def judge_queue_type(seen: RabbitSeen | None) -> Iterator[Finding]:
    """Queues are safe on disk and count deliveries."""
    for queue in seen.queues if seen is not None else ():
        evidence = {"queue": queue.name, "quorum": queue.quorum, "messages": queue.messages}
        if queue.quorum is False:
            yield fault(
                f"the queue {queue.name!r} is a classic queue",
                "runs declare it as a quorum queue and are refused; a classic queue is not replicated",
                f"stop workers, `rabbitmqctl delete_queue {queue.name}` (messages go), start workers again",
                **evidence,
            )
        elif queue.quorum is None:
            what = f"whether the queue {queue.name!r} is a quorum queue is not known"
            yield skipped(what, "the broker refuses to compare it", **evidence)
        else:
            yield fine(f"the queue {queue.name!r} is a quorum queue", **evidence)
