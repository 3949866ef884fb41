"""Trying a run again in Prefect, as its UI does, and what more there is to say than the UI asks for."""

from collections.abc import Callable

from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import AwaitingRetry, Pending

from codegen.document import parse
from codegen.errors import DocumentError
from codegen.groups import walk
from codegen.suggestions import listed
from control.errors import NotAgain

ROUTER = "route-workflow"
IsAlive = Callable[[str], bool | None]
"""Whether a process is at the run with this id; None: that can't be known from here."""


def start_key(run_count: int) -> str:
    """Under which key of a run's inputs the step stands from which its try of this number begins."""
    return f"opsconductor-try-{run_count}-from"


async def try_again(
    api: Api, run: FlowRun, start: str | None, is_alive: IsAlive, *, here: bool = False
) -> FlowRun:
    """Have the run tried again, from the step `start` on. NotAgain: it can't be, and why.

    One that came from a deployment is begun by its worker, unless `here`; any other is left to the caller.
    """
    _check(run, is_alive)
    if (here or run.deployment_id is None) and (await api.read_flow(run.flow_id)).name != ROUTER:
        raise NotAgain(run.name, "it is no run of the router; start it anew")
    _check_start(run, start)
    await _say_from_where(api, run, start)
    scheduled = run.deployment_id is not None and not here
    state: State[None] = AwaitingRetry() if scheduled else Pending()
    # The usual rules are for processes that end; here one may have died, or its run been cancelled.
    told = await api.set_flow_run_state(run.id, state, force=not scheduled or not _is_final(run))
    if told.status is not SetStateStatus.ACCEPT:
        raise NotAgain(run.name, str(getattr(told.details, "reason", None) or told.status.value))
    return await api.read_flow_run(run.id)


async def _say_from_where(api: Api, run: FlowRun, start: str | None) -> None:
    """Somebody may have asked before for the same try, which then did not begin."""
    key = start_key(run.run_count + 1)
    if await api.filter_flow_run_input(run.id, key, 1, set()):
        await api.delete_flow_run_input(run.id, key)
    if start is not None:
        await api.create_flow_run_input(run.id, key, start)


def _check(run: FlowRun, is_alive: IsAlive) -> None:
    if run.parent_task_run_id is not None:
        raise NotAgain(run.name, "it is a part of another run, which can be tried again")
    if run.run_count == 0:
        raise NotAgain(run.name, "it has not begun yet")
    alive = is_alive(str(run.id))
    if alive or (alive is None and not _is_final(run)):
        state = run.state.name if run.state and not _is_final(run) else "another try of it goes on"
        raise NotAgain(
            run.name, f"it has not ended ({state}): wait for its end, or end it with `opsconductor cancel`"
        )


def _check_start(run: FlowRun, start: str | None) -> None:
    """Of a run that was given its document; of one that was given a name only the router knows the steps."""
    given = run.parameters.get("workflow")
    if start is None or not isinstance(given, dict):
        return
    try:
        steps = [step.id for _, step in walk(parse(given).steps)]
    except DocumentError:
        return
    if start not in steps:
        raise NotAgain(run.name, f"it has no main step {start!r:.200}; name one of: {listed(steps)}")


def _is_final(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()
