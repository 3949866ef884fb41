"""What priorities are for brokers."""

import pytest
from kombu.transport.redis import PRIORITY_STEPS

from celery_bridge.priorities import priority_for, redis_lists


@pytest.mark.parametrize(("url", "urgent_first"), [("redis://h:6379/0", False), ("amqp://h//", True)])
def test_each_broker_takes_urgent_ones_first(url: str, urgent_first: bool) -> None:
    """RabbitMQ takes the highest number first, a Redis the lowest."""
    numbers = [priority_for(url, one) for one in ("low", "normal", "high")]
    assert numbers == sorted(set(numbers), reverse=not urgent_first)


def test_a_redis_keeps_each_where_it_is_looked_for() -> None:
    """Every number sent is one that workers have a list for."""
    sent = {priority_for("redis://h", one) for one in ("low", "normal", "high")}
    assert sent <= set(PRIORITY_STEPS)
    assert redis_lists("q")[0] == "q"
    assert len(set(redis_lists("q"))) == len(PRIORITY_STEPS)
