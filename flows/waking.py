"""Tells runs that wait without a process of their answers as soon as they are there.

They look by themselves, too, but less and less often. Only this machine's are known here.
"""

import asyncio
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.logging import get_logger

from control.waiting import AWAITING, come_back
from flows.journals import questions_of
from flows.slots import FAULTS
from flows.suspension import all_open

SECONDS_BETWEEN_LOOKS = 3.0
_MOST = 200
_WAITING = by.FlowRunFilter(
    state=by.FlowRunFilterState(name=by.FlowRunFilterStateName(any_=[AWAITING])),
    parent_task_run_id=by.FlowRunFilterParentTaskRunId(is_null_=True),
)


async def wake() -> None:
    """Look again and again, without end."""
    async with get_client() as api:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            try:
                await _wake_answered(api)
            except FAULTS as error:
                get_logger("opsconductor").debug("Prefect could not be asked for answers: %s", error)


async def _wake_answered(api: Api) -> None:
    for run in await api.read_flow_runs(flow_run_filter=_WAITING, limit=_MOST):
        questions = [UUID(id) for id in await asyncio.to_thread(questions_of, str(run.id))]
        if questions and await all_open(api, questions) is None:
            await come_back(api, run)
