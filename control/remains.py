"""What a process that died left behind in Prefect: parts of its run that stand there as if they went on."""

from functools import partial

from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from control.questions import FLOW as QUESTION
from control.run_tree import all_pages, family, tasks_of

# A question to a person still stands, be it paused or answered: the next life asks for that answer.
_GOING_ON = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)
MESSAGE = "The process that ran it died; another one goes on with the run"


async def cleared_away(api: Api, root: FlowRun) -> int:
    """Say of all parts of a run that stand as going on that they crashed; how many there were.

    To be called before the next life of the run has parts of its own.
    """
    flows = await family(api, root)
    wanted = by.TaskRunFilterState(type=by.TaskRunFilterStateType(any_=list(_GOING_ON)))
    tasks = await all_pages(partial(tasks_of, api, [flow.id for flow in flows], state=wanted))
    for task in tasks:
        await api.set_task_run_state(task.id, Crashed(message=MESSAGE), force=True)
    dead = [flow for flow in flows[1:] if flow.state_type in _GOING_ON and QUESTION not in flow.tags]
    for flow in dead:
        await api.set_flow_run_state(flow.id, Crashed(message=MESSAGE), force=True)
    return len(tasks) + len(dead)
