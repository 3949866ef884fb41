"""Where Celery is, and how long to wait for it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from celery_bridge.errors import SettingsError
from celery_bridge.urls import is_broker, masked, masked_setting, normalized, speaks_redis

if TYPE_CHECKING:
    from celery import Celery

QUEUE = "opsconductor"
DAY = 86400
WORKER_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True, repr=False)
class BridgeSettings:
    """The broker, the result backend and the queue that workflows go through; times in seconds.

    `worker_timeout`: with no worker on the queue for so long, a run is given up.
    `lost_after`: a run that began and shows no sign of life for so long is taken for lost.
    `cancel_timeout`: how long a cancelled run may take to clean up and report.
    `ttl`: how long what is known of a run is kept, and how long it may wait in the queue.
    """

    broker_url: str
    result_backend: str
    queue: str = QUEUE
    worker_timeout: float = WORKER_TIMEOUT
    lost_after: float = 120.0
    cancel_timeout: float = 10.0
    ttl: int = DAY

    @classmethod
    def of(
        cls,
        broker_url: str,
        result_backend: str | None = None,
        queue: str = QUEUE,
        worker_timeout: float | None = None,
    ) -> Self:
        """Settings from addresses in clear. Without `result_backend`, it is the broker where that is a Redis.

        Without `worker_timeout` it is OPSCONDUCTOR_WORKER_TIMEOUT, else 30 s. SettingsError names what can't
        be used.
        """
        broker = _broker(broker_url)
        timeout = _worker_timeout(os.environ) if worker_timeout is None else worker_timeout
        return cls(broker, _backend(broker, result_backend), queue, timeout)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Settings from OPSCONDUCTOR_BROKER_URL, OPSCONDUCTOR_RESULT_BACKEND, OPSCONDUCTOR_QUEUE and
        OPSCONDUCTOR_WORKER_TIMEOUT."""
        given = os.environ if environment is None else environment
        broker = given.get("OPSCONDUCTOR_BROKER_URL", "").strip()
        if not broker:
            raise SettingsError(
                "OPSCONDUCTOR_BROKER_URL is not set. Set it to your Redis or RabbitMQ "
                "(redis://localhost:6379/0), or start the built-in broker with `opsconductor up`."
            )
        backend = given.get("OPSCONDUCTOR_RESULT_BACKEND", "").strip() or None
        queue = given.get("OPSCONDUCTOR_QUEUE", "").strip() or QUEUE
        return cls.of(broker, backend, queue, _worker_timeout(given))

    @classmethod
    def of_app(cls, app: "Celery") -> Self:
        """What a worker of this app goes by: its own broker and result backend.

        OPSCONDUCTOR_RESULT_BACKEND comes first, for apps whose result backend is no Redis.
        """
        broker = normalized(app.conf.broker_read_url or app.conf.broker_url or "")
        own = app.conf.result_backend
        backend = os.environ.get("OPSCONDUCTOR_RESULT_BACKEND") or own
        if backend == own and not speaks_redis(normalized(own or "")) and speaks_redis(broker):
            backend = broker
        return cls(broker, _backend(broker, backend))

    def __repr__(self) -> str:
        return (
            f"BridgeSettings(broker_url={masked(self.broker_url)!r}, "
            f"result_backend={masked(self.result_backend)!r}, queue={self.queue!r})"
        )


def _broker(url: str) -> str:
    url = normalized(url)
    if not is_broker(url):
        raise SettingsError(
            f"The broker {masked_setting(url)!r} can't be used. Give a Redis, Valkey or RabbitMQ: "
            "redis://host:6379/0, rediss://..., redis+socket:///path or amqp://user:password@host//."
        )
    return url


def _backend(broker: str, given: str | None) -> str:
    url = normalized(given) if given else broker
    if speaks_redis(url):
        return url
    named = (
        f"The result backend {masked_setting(url)!r} can't be used" if given else "There is no result backend"
    )
    raise SettingsError(
        f"{named}: progress streams through it, so it must be a Redis or Valkey. "
        "Set OPSCONDUCTOR_RESULT_BACKEND to one, such as redis://host:6379/1."
    )


def _worker_timeout(environment: Mapping[str, str]) -> float:
    text = environment.get("OPSCONDUCTOR_WORKER_TIMEOUT", "").strip()
    try:
        seconds = float(text) if text else WORKER_TIMEOUT
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SettingsError(
            f"OPSCONDUCTOR_WORKER_TIMEOUT={text!r} is no number of seconds above 0. Give one, such as 30."
        )
    return seconds
