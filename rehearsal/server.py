"""A Prefect server that rehearsals need, because a flow does; nobody looks at what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import certifi
import prefect.settings
from prefect.events.clients import EventsClient, NullEventsClient, PrefectEventsClient
from prefect.events.worker import EventsWorker
from prefect.settings import temporary_settings
from prefect.testing import utilities
from prefect.utilities.asyncutils import run_coro_as_sync

PATIENCE = 180
LEAVE = 20.0
# What the server would do beside answering: with SQLite it only gets in the way of the runs.
_NOT_NEEDED = (
    "PREFECT_LOGGING_TO_API_ENABLED",
    "PREFECT_SERVER_ANALYTICS_ENABLED",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED",
)


@contextmanager
def prefect_server(*, quiet: bool = False) -> Iterator[None]:
    """Flows inside the block run against a server of their own. `quiet`: they log nothing in this process."""
    settings: dict[Any, object] = {getattr(prefect.settings, name): False for name in _NOT_NEEDED}
    if quiet:
        settings[prefect.settings.PREFECT_LOGGING_LEVEL] = "CRITICAL"
    with _one_certificate() as certificate:
        settings[prefect.settings.PREFECT_API_SSL_CERT_FILE] = certificate
        with temporary_settings(updates=settings), temporary_server(), _events_by(NullEventsClient):
            yield


@contextmanager
def _one_certificate() -> Iterator[str]:
    """The server speaks plain HTTP; to read all certificates took half of a rehearsal's work."""
    end = "-----END CERTIFICATE-----\n"
    first = Path(certifi.where()).read_text(encoding="utf-8").partition(end)[0]
    with TemporaryDirectory(prefix="opsconductor-") as folder:
        file = Path(folder, "certificate.pem")
        file.write_text(first + end, encoding="utf-8")
        yield str(file)


@contextmanager
def temporary_server() -> Iterator[None]:
    """Prefect's own, with a database of its own, and an end that is bounded.

    Before it stops its server it waits for what is still to be sent there: now and then for ever. And events
    that were late for the server before may not hold up those for this one: they are sent by two workers.
    """
    waiting = "run_coro_as_sync"
    unbounded = getattr(utilities, waiting)
    try:
        with utilities.prefect_test_harness(server_startup_timeout=PATIENCE):
            with _events_by(PrefectEventsClient, api_url=prefect.settings.PREFECT_API_URL.value()):
                yield
            setattr(utilities, waiting, _bounded)
    finally:
        setattr(utilities, waiting, unbounded)


@contextmanager
def _events_by(client: type[EventsClient], **arguments: Any) -> Iterator[None]:
    EventsWorker.set_client_override(client, **arguments)
    try:
        yield
    finally:
        EventsWorker.set_client_override(None)


def _bounded(waiting: Coroutine[Any, Any, None]) -> None:
    with suppress(TimeoutError):
        run_coro_as_sync(asyncio.wait_for(waiting, LEAVE))
