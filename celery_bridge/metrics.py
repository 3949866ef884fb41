"""What is counted and what waits, as Prometheus reads it."""

from collections.abc import Iterator

from celery import Celery
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from redis import Redis

from celery_bridge.app import make_app
from celery_bridge.attendance import BROKER_AWAY
from celery_bridge.clients import AWAY
from celery_bridge.counts import BUCKETS, KEY, Count, Tally, tallies
from celery_bridge.priorities import redis_lists
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import unreachable
from celery_bridge.urls import for_client, is_rabbitmq

ANSWER_WITHIN = 5.0
_COUNTERS: dict[Count, str] = {
    "submitted": "Runs that were sent to Celery.",
    "received": "Runs that a worker began.",
    "redelivered": "Times that another worker went on with a run.",
    "lost": "Runs of which nobody knows what they did last.",
}


def page(settings: BridgeSettings) -> bytes:
    """The metrics in Prometheus' text format. EngineUnreachable: there is nobody to ask."""
    registry = CollectorRegistry()
    registry.register(RunMetrics(settings))
    return bytes(generate_latest(registry))


class RunMetrics(Collector):
    """Reads the counts and the lengths of the queues whenever it is asked."""

    def __init__(self, settings: BridgeSettings) -> None:
        self._settings = settings
        self._app = make_app(settings, for_sending=True)

    def describe(self) -> list[Metric]:
        """Nothing: what there is shows when it is read."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics. EngineUnreachable: there is nobody to ask."""
        try:
            with Redis.from_url(for_client(self._settings.result_backend), **_options()) as redis:
                counted = tallies(redis.hgetall(KEY))
        except AWAY as error:
            raise unreachable("result backend", self._settings.result_backend, error) from None
        queues = sorted({tally.queue for tally in counted} | {self._settings.queue})
        yield from _counters(counted, queues)
        yield _ends(counted)
        yield _durations(counted, queues)
        yield self._lengths(queues)

    def _lengths(self, queues: list[str]) -> Metric:
        metric = GaugeMetricFamily(
            "opsconductor_queue_length", "Messages that wait for a worker.", labels=["queue"]
        )
        try:
            for queue in queues:
                metric.add_metric([queue], length(self._app, self._settings, queue))
        except BROKER_AWAY as error:
            raise unreachable("broker", self._settings.broker_url, error) from None
        return metric


def length(app: Celery, settings: BridgeSettings, queue: str) -> int:
    """How many messages wait in a queue of the broker."""
    if not is_rabbitmq(settings.broker_url):
        with Redis.from_url(for_client(settings.broker_url.partition(";")[0]), **_options()) as redis:
            return sum(int(redis.llen(one)) for one in redis_lists(queue))
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        try:
            return int(channel.queue_declare(queue, passive=True).message_count)
        except connection.channel_errors:
            return 0  # no worker and no run has made it yet


def _counters(counted: dict[Tally, int], queues: list[str]) -> Iterator[Metric]:
    for count, help in _COUNTERS.items():
        metric = CounterMetricFamily(f"opsconductor_runs_{count}", help, labels=["queue"])
        for queue in queues:
            metric.add_metric([queue], counted.get(Tally(count, queue), 0))
        yield metric


def _ends(counted: dict[Tally, int]) -> Metric:
    metric = CounterMetricFamily(
        "opsconductor_runs_ended", "Runs that workers brought to an end.", labels=["queue", "how"]
    )
    for tally, amount in sorted(counted.items(), key=lambda item: (item[0].queue, item[0].label)):
        if tally.count == "ended":
            metric.add_metric([tally.queue, tally.label], amount)
    return metric


def _durations(counted: dict[Tally, int], queues: list[str]) -> Metric:
    metric = HistogramMetricFamily(
        "opsconductor_run_duration_seconds", "How long workers worked on runs.", labels=["queue"]
    )
    for queue in queues:
        total, buckets = 0, []
        for bucket in (*map(str, BUCKETS), "+Inf"):
            total += counted.get(Tally("within", queue, bucket), 0)
            buckets.append((bucket, total))
        metric.add_metric([queue], buckets, counted.get(Tally("seconds", queue), 0) / 1000)
    return metric


def _options() -> dict[str, object]:
    return {
        "decode_responses": True,
        "socket_timeout": ANSWER_WITHIN,
        "socket_connect_timeout": ANSWER_WITHIN,
    }
