"""What a document's priority is for a broker, and where a Redis keeps messages by it."""

from typing import Final

from kombu.transport.redis import PRIORITY_STEPS, Channel

from celery_bridge.urls import is_rabbitmq
from codegen.workflow import Priority

NORMAL: Final = "normal"
# RabbitMQ takes the highest first, kombu's Redis transport the lowest. RabbitMQ's quorum queues know two,
# from version 4.0 on: up to 4, and above.
_RABBITMQ: dict[Priority, int] = {"low": 0, "normal": 4, "high": 9}
_REDIS: dict[Priority, int] = {"low": 6, "normal": 3, "high": 0}


def priority_for(broker_url: str, priority: Priority) -> int:
    """The number to send with a message."""
    return (_RABBITMQ if is_rabbitmq(broker_url) else _REDIS)[priority]


def redis_lists(queue: str) -> list[str]:
    """The lists in which a Redis keeps the messages of a queue, the most urgent first."""
    return [f"{queue}{Channel.sep}{step}" if step else queue for step in PRIORITY_STEPS]
