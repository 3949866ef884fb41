"""Trying a run again in Prefect, as its UI does, and what more there is to say than the UI asks for.

Only one of those who ask for it at the same time has it done: on one machine a lock sees to that, and
between machines Prefect's server, which takes nobody twice out of the same state.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid5

from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import AwaitingRetry, Pending, to_state_create

from codegen.again import why_not_from
from codegen.document import accepted, is_text, load
from codegen.errors import DocumentError
from codegen.workflow import Workflow
from control.errors import NotAgain
from control.home import Home
from control.locks import is_held, opened_alone
from control.waiting import waits

ROUTER = "route-workflow"
IsAlive = Callable[[str], bool | None]
"""Whether a process is at the run with this id; None: that can't be known from here."""
RanAs = Callable[[str], Mapping[str, Any] | None]
"""The document that the run with this id ran, where that is known here."""


_COMING_UP = timedelta(seconds=60)
"""How long after the begin of a try its process may be on its way to the run's journal."""
_LATER = timedelta(seconds=60)
_ALREADY = "it is already being tried again"


@contextmanager
def tried_again_here(run_id: str, name: str) -> Iterator[None]:
    """While this process has a run tried again no other one of this machine does. NotAgain: one does."""
    file = _lock_of(run_id)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = opened_alone(file)
    except OSError:  # nothing can be kept here, so nobody holds it either
        yield
        return
    if lock is None:
        raise NotAgain(name, _ALREADY)
    with lock:
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def is_tried_again_here(run_id: str) -> bool:
    """Whether a process of this machine is having the run tried again."""
    return is_held(_lock_of(run_id))


def _lock_of(run_id: str) -> Path:
    return Home.from_environment().journals / f"{run_id}.again"


def start_key(run_count: int) -> str:
    """Under which key of a run's inputs the step stands from which its try of this number begins."""
    return f"opsconductor-try-{run_count}-from"


async def try_again(
    api: Api,
    run: FlowRun,
    start: str | None,
    is_alive: IsAlive,
    ran_as: RanAs = lambda _: None,
    *,
    here: bool = False,
) -> FlowRun:
    """Have the run tried again, from the step `start` on. NotAgain: it can't be, and why.

    One that came from a deployment is begun by its worker, unless `here`; any other is left to the caller.
    """
    _check(run, is_alive, here=here)
    if (here or run.deployment_id is None) and (await api.read_flow(run.flow_id)).name != ROUTER:
        raise NotAgain(run.name, "it is no run of the router; start it anew")
    _check_start(run, start, ran_as(str(run.id)))
    scheduled = run.deployment_id is not None and not here
    if scheduled:  # not at once: its worker must not begin before it is said from where
        await _set(api, run, AwaitingRetry(scheduled_time=datetime.now(UTC) + _LATER))
        await _say_from_where(api, run, start)
        if not await _is_scheduled(api, run):
            raise NotAgain(run.name, "it was cancelled in that moment")
        await _set(api, run, AwaitingRetry(), force=True)
    else:
        # The usual rules are for processes that end: they don't let a run that was cancelled begin.
        await _set(api, run, Pending(), force=run.state_type is StateType.CANCELLED)
        await _say_from_where(api, run, start)
    return await api.read_flow_run(run.id)


async def _set(api: Api, run: FlowRun, state: State[None], *, force: bool = False) -> None:
    """Take the run out of the state in which it was found, which only one of several can do."""
    proposed = to_state_create(state)
    proposed.state_details.flow_run_id = run.id
    proposed.state_details.transition_id = uuid5(run.state.id if run.state else run.id, "again")
    answer = await api.request(
        "POST",
        "/flow_runs/{id}/set_state",
        path_params={"id": run.id},
        # One whose process died has not ended for Prefect.
        json={
            "state": proposed.model_dump(mode="json", serialize_as_any=True),
            "force": force or not _is_final(run),
        },
    )
    told: OrchestrationResult[None] = OrchestrationResult.model_validate(answer.json())
    if told.status is SetStateStatus.ACCEPT:
        return
    now = (await api.read_flow_run(run.id)).state
    if now is not None and not now.is_final():
        raise NotAgain(run.name, _ALREADY)
    raise NotAgain(run.name, str(getattr(told.details, "reason", None) or told.status.value))


async def _is_scheduled(api: Api, run: FlowRun) -> bool:
    state = (await api.read_flow_run(run.id)).state
    return state is not None and state.is_scheduled()


async def _say_from_where(api: Api, run: FlowRun, start: str | None) -> None:
    """Somebody may have asked before for the same try, which then did not begin."""
    key = start_key(run.run_count + 1)
    if await api.filter_flow_run_input(run.id, key, 1, set()):
        await api.delete_flow_run_input(run.id, key)
    if start is not None:
        await api.create_flow_run_input(run.id, key, start)


def _check(run: FlowRun, is_alive: IsAlive, *, here: bool) -> None:
    if run.parent_task_run_id is not None:
        raise NotAgain(run.name, "it is a part of another run, which can be tried again")
    if run.run_count == 0:
        raise NotAgain(run.name, "it has not begun yet")
    if not here:
        _check_nobody_comes(run)
    alive = is_alive(str(run.id))
    if alive or (alive is None and not _is_final(run)):
        state = run.state.name if run.state and not _is_final(run) else "another try of it goes on"
        raise NotAgain(
            run.name, f"it has not ended ({state}): wait for its end, or end it with `opsconductor cancel`"
        )


def _check_nobody_comes(run: FlowRun) -> None:
    """A worker may be about to begin another try of the run, or have just begun it."""
    if run.deployment_id is None or run.state is None or waits(run):
        return
    state = run.state
    if state.is_scheduled():
        raise NotAgain(run.name, _ALREADY)
    left = (_COMING_UP - (datetime.now(UTC) - state.timestamp)).total_seconds()
    if left > 0 and (state.is_pending() or (state.is_running() and run.run_count > 1)):
        raise NotAgain(run.name, f"{_ALREADY}; should the process of that try have died, ask in {left:.0f} s")


def _check_start(run: FlowRun, start: str | None, ran: Mapping[str, Any] | None) -> None:
    """Of a run that was given a name, and ran on another machine, only that one's router knows the steps."""
    if start is None or (document := _document(ran or run.parameters.get("workflow"))) is None:
        return
    if (reason := why_not_from(document, start)) is not None:
        raise NotAgain(run.name, "; ".join(reason))


def _document(given: object) -> Workflow | None:
    try:
        if isinstance(given, dict):
            return accepted(given)
        return load(given) if isinstance(given, str) and is_text(given) else None
    except DocumentError:
        return None


def _is_final(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()
