"""Runs whose process died with the router that had begun it: Prefect would show them as running for ever.

That router's successor tells. Prefect's runner does so only of processes that die before it does.
"""

import asyncio
from functools import partial
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.logging import get_logger
from prefect.states import Crashed

from control.again import is_tried_again_here
from control.run_tree import PAGE, all_pages
from flows.journals import is_open

MESSAGE = "The process that ran it died, and the router with it; Retry goes on with the run"


async def say_what_crashed(deployment: UUID) -> list[UUID]:
    """Of the deployment's runs that stand as running, those that nobody on this machine is at any more.

    Of runs that this machine knows nothing of, it says nothing. One that is being cancelled stays so:
    `opsconductor cancel` brings it to its end.
    """
    async with get_client() as api:
        running = await all_pages(partial(_running, api, deployment))
        dead = [run for run in running if await asyncio.to_thread(_is_dead, str(run.id))]
        for run in dead:
            await api.set_flow_run_state(run.id, Crashed(message=MESSAGE), force=True)
            get_logger("opsconductor").warning("The process that ran %s (%s) had died", run.name, run.id)
    return [run.id for run in dead]


def _is_dead(run_id: str) -> bool:
    return is_open(run_id) is False and not is_tried_again_here(run_id)


async def _running(api: Api, deployment: UUID, offset: int) -> list[FlowRun]:
    state = by.FlowRunFilterState(type=by.FlowRunFilterStateType(any_=[StateType.RUNNING]))
    ours = by.FlowRunFilterDeploymentId(any_=[deployment])
    wanted = by.FlowRunFilter(deployment_id=ours, state=state)
    return await api.read_flow_runs(flow_run_filter=wanted, limit=PAGE, offset=offset)
