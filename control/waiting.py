"""Runs that have given their process back until there is an answer, as they stand in Prefect.

Such a run is scheduled: it looks for its answers now and then, in a process of its own. Whoever answers by
way of this module has it look at once.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Scheduled

AWAITING = "AwaitingApproval"
SHORTEST, LONGEST = 20.0, 600.0
"""Seconds until a waiting run looks again; in between a quarter of the time it has waited already."""
_SHARE = 4
_TO_BE_CANCELLED, _WHERE = "opsconductor-to-be-cancelled", "opsconductor-journal"


def next_look(now: datetime, since: datetime, until: datetime) -> datetime:
    """When a run that has waited since then looks again; `until`: by then it has to."""
    waited = (now - since).total_seconds()
    return min(now + timedelta(seconds=min(LONGEST, max(SHORTEST, waited / _SHARE))), until)


async def put_off(api: Api, run_id: UUID, what: Iterable[str], when: datetime) -> State | None:
    """Have the run come back at a time, in another process. None: Prefect doesn't want it to."""
    # Prefect would wait for that process to end when somebody cancels the run.
    await api.request("PATCH", "/flow_runs/{id}", path_params={"id": run_id}, json={"infrastructure_pid": ""})
    message = f"Waits for an answer: {', '.join(what)}"
    state: State[None] = Scheduled(name=AWAITING, message=message, scheduled_time=when)
    told = await api.set_flow_run_state(run_id, state)
    return state if told.status is SetStateStatus.ACCEPT else None


async def come_back(api: Api, run: FlowRun) -> None:
    """Have a run that waits so look now."""
    if waits(run):
        state: State[None] = Scheduled(name=AWAITING, message=run.state and run.state.message)
        await api.set_flow_run_state(run.id, state)


def waits(run: FlowRun) -> bool:
    """Whether the run waits for answers without a process."""
    return run.state_type is StateType.SCHEDULED and run.state is not None and run.state.name == AWAITING


async def ask_to_end(api: Api, run: FlowRun) -> None:
    """Have a run that waits so come back only to undo what it did, and to end."""
    await _note(api, run.id, _TO_BE_CANCELLED, "yes")
    await come_back(api, run)


async def is_to_end(api: Api, run_id: UUID) -> bool:
    """Whether somebody wants the run to end."""
    return bool(await api.filter_flow_run_input(run_id, _TO_BE_CANCELLED, 1, set()))


async def note_place(api: Api, run_id: UUID, place: str) -> None:
    """Keep on which machine the run is to go on."""
    await _note(api, run_id, _WHERE, place)


async def place_of(api: Api, run_id: UUID) -> str | None:
    """On which machine the run is to go on, if it has ever waited without a process."""
    found = await api.filter_flow_run_input(run_id, _WHERE, 1, set())
    return found[0].value if found else None


async def _note(api: Api, run_id: UUID, key: str, value: str) -> None:
    try:
        await api.create_flow_run_input(run_id, key, value)
    except PrefectHTTPStatusError as error:
        if error.response.status_code != httpx.codes.CONFLICT:
            raise
