"""Ends the work when somebody cancels the run: in Prefect, or by SIGTERM to its process.

Prefect enforces a cancellation only where it owns the process; this works everywhere.
"""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from celery_bridge.background import alongside
from flows.session import Session

SECONDS_BETWEEN_LOOKS = 2.0
CANCELLED = (StateType.CANCELLING, StateType.CANCELLED)


@asynccontextmanager
async def guarded(session: Session) -> AsyncIterator[None]:
    """Cancel the session when its flow run is cancelled in Prefect. Short runs cost no request."""
    with terminable(session):
        async with alongside(_watch(session)):
            yield


@contextmanager
def terminable(session: Session) -> Iterator[None]:
    """Cancel the session on SIGTERM, with which Prefect's workers end a run's process.

    Prefect's own handler cancels every task of the event loop: also the one that hears how the run ends.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are somebody else's
        return
    loop = asyncio.get_running_loop()
    if session.around is not None:  # one of perhaps many: the whole run ends, and keeps its handler
        loop.add_signal_handler(signal.SIGTERM, session.outermost.cancel)
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, session.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)


async def _watch(session: Session) -> None:
    """Ends the run, or the document whose subflow alone was cancelled, until the whole run is."""
    while not session.cancelled:
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        here = {UUID(session.run_id): session, **session.watched}
        for id in await _cancelled(list(here)):
            if not here[id].cancelled:
                get_run_logger().warning("Somebody cancelled this run: ending what runs")
                here[id].cancel()


async def _cancelled(ids: list[UUID]) -> list[UUID]:
    """Which of these flow runs are cancelled on the server; none while it can't be asked. One request."""
    states = by.FlowRunFilterState(type=by.FlowRunFilterStateType(any_=[*CANCELLED]))
    wanted = by.FlowRunFilter(id=by.FlowRunFilterId(any_=ids), state=states)
    try:
        async with get_client() as client:
            return [run.id for run in await client.read_flow_runs(flow_run_filter=wanted)]
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().debug("Prefect could not be asked for the run's state: %s", error)
        return []
