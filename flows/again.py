"""Trying a run again: what a person asked for when they did."""

from uuid import UUID

from prefect import get_client
from prefect.logging import get_run_logger

from codegen.again import why_not_from
from codegen.workflow import Workflow
from control.again import start_key
from control.remains import cleared_away


class NoSuchStep(Exception):
    """A run is to be tried again from a step that its document does not have."""


async def clear_away(run_id: str) -> None:
    """What the process before left behind as if it went on is said to have crashed."""
    async with get_client() as client:
        if await cleared_away(client, await client.read_flow_run(UUID(run_id))):
            get_run_logger().warning("The process that ran this run died; this one goes on with it")


async def start_asked_for(document: Workflow, run_id: str, run_count: int) -> str | None:
    """The step from which on all is to be done again, where somebody named one for this try."""
    async with get_client() as client:
        inputs = await client.filter_flow_run_input(UUID(run_id), start_key(run_count), 1, set())
    if not inputs:
        return None
    step = inputs[0].value
    if (reason := why_not_from(document, step)) is not None:
        raise NoSuchStep(f"{document.name!r} can't be tried again from {step!r:.200}: {'; '.join(reason)}")
    return step
