"""The Celery app of the workers that we own, and of whoever sends to them."""

from typing import Any

from celery import Celery

from celery_bridge.settings import BridgeSettings
from celery_bridge.urls import is_rabbitmq

HOUR = 3600


def make_app(settings: BridgeSettings, *, for_sending: bool = False) -> Celery:
    """A Celery app for these settings. Imports no task and opens no connection.

    `for_sending`: without a result backend, since Celery would subscribe to every result that it sends
    for, and not the current app, so that an app of the caller's stays it.
    """
    app = Celery(
        "opsconductor",
        broker=settings.broker_url,
        backend="disabled://" if for_sending else settings.result_backend,
        set_as_current=not for_sending,
    )
    app.conf.update(**_messages(settings), **_broker(settings), **_worker(), **_results(settings))
    return app


def _messages(settings: BridgeSettings) -> dict[str, Any]:
    return {
        "task_default_queue": settings.queue,
        # A message that could name any class to build is a way in for whoever reaches the broker.
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        # A broker that went away is an error in a second or so, not a caller that hangs.
        "task_publish_retry": True,
        "task_publish_retry_policy": {
            "max_retries": 2,
            "interval_start": 0.1,
            "interval_step": 0.2,
            "interval_max": 0.3,
        },
    }


def _broker(settings: BridgeSettings) -> dict[str, Any]:
    shared: dict[str, Any] = {
        # A worker may be started before its broker, and outlives the broker's restarts however long.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": 2.0,
    }
    if is_rabbitmq(settings.broker_url):
        return shared | _rabbitmq()
    return shared | {"broker_transport_options": _redis_transport()}


def _redis_transport() -> dict[str, Any]:
    return {
        # A message that is not acknowledged for so long is handed out again. Nobody renews it while a
        # workflow runs, so it must outlast the longest one. (A copy that comes early only waits: `lease`.)
        "visibility_timeout": 12 * HOUR,
        "socket_connect_timeout": 2.0,
        # A connection whose other end vanished without a word is noticed, not waited on.
        "socket_timeout": 15.0,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }


def _rabbitmq() -> dict[str, Any]:
    return {
        # Without it a message can vanish between here and the broker, and nobody hears of it.
        "broker_transport_options": {"confirm_publish": True},
        # Replicated, safe on disk, and counts redeliveries.
        "task_default_queue_type": "quorum",
        "task_create_missing_queue_type": "quorum",
        # Finds out that the other end vanished without a word.
        "broker_heartbeat": 30,
    }


def _worker() -> dict[str, Any]:
    return {
        # Workflows are long and unequal: one that waits goes to whichever worker is free first.
        "worker_prefetch_multiplier": 1,
        # A blink of the broker must not end an operations workflow half way. The copy of the message that
        # the broker hands out meanwhile waits for the run to end: see `lease`.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # On SIGQUIT: time for running workflows to end before they are cancelled.
        "worker_soft_shutdown_timeout": 10.0,
        # What steps print is theirs; as the worker's warnings it would say nothing to anybody.
        "worker_redirect_stdouts": False,
    }


def _results(settings: BridgeSettings) -> dict[str, Any]:
    return {
        "result_expires": settings.ttl,
        # It would store the whole document again with each state, and publish it to everyone who waits.
        "result_extended": False,
        # Without it, a task that ends while the backend is away reads as failed, or as started for ever.
        "result_backend_always_retry": True,
        "result_backend_max_retries": 20,
        "redis_socket_connect_timeout": 2.0,
        "redis_socket_timeout": 15.0,
        "redis_socket_keepalive": True,
        "redis_retry_on_timeout": True,
        "redis_backend_health_check_interval": 10,
    }
