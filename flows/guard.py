"""Watches whether somebody asked Prefect to cancel the run, and ends the work if so.

Prefect enforces a cancellation only where it owns the process; this works everywhere.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger

from flows.session import Session

SECONDS_BETWEEN_LOOKS = 2.0


@asynccontextmanager
async def guarded(session: Session) -> AsyncIterator[None]:
    """Cancel the session when its flow run is cancelled in Prefect. Short runs cost no request."""
    watching = asyncio.create_task(_watch(session))
    try:
        yield
    finally:
        watching.cancel()


async def _watch(session: Session) -> None:
    while True:
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        state = await _state(session.run_id)
        if state is not None and (state.is_cancelling() or state.is_cancelled()):
            get_run_logger().warning("Somebody cancelled this run: ending what runs")
            session.cancel()
            return


async def _state(run_id: str) -> State | None:
    """The run's state on the server; None while the server can't be asked."""
    try:
        async with get_client() as client:
            return (await client.read_flow_run(UUID(run_id))).state
    except (httpx.HTTPError, PrefectException) as error:
        get_run_logger().debug("Prefect could not be asked for the run's state: %s", error)
        return None
