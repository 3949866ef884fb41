"""A flow run with everything below it, as Prefect's API tells it."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort
from prefect.utilities.urls import url_for

from control.runs import PartStatus, RunStatus

PAGE = 200
"""What the server gives at most in one answer."""

T = TypeVar("T")


async def all_pages(read: Callable[[int], Awaitable[list[T]]]) -> list[T]:
    """Everything there is; `read` gives the page of PAGE entries that begins at an offset."""
    found: list[T] = []
    while True:
        page = await read(len(found))
        found += page
        if len(page) < PAGE:
            return found


async def family(api: Api, root: FlowRun) -> list[FlowRun]:
    """The run and all flow runs below it, parents first."""
    found, parents = [root], [root.id]
    while parents:
        children = await all_pages(partial(_children, api, parents))
        found += children
        parents = [child.id for child in children]
    return found


async def parts(api: Api, flows: list[FlowRun]) -> tuple[PartStatus, ...]:
    """The subflows and task runs of a family, in the order in which they began."""
    tasks = await all_pages(partial(tasks_of, api, [flow.id for flow in flows]))
    found = [_part(flow, "flow") for flow in flows[1:]] + [_part(task, "task") for task in tasks]
    return tuple(sorted(found, key=lambda part: (part.started_at is None, part.started_at or 0, part.name)))


async def names_of_tasks(api: Api, ids: Iterable[UUID]) -> dict[UUID, str]:
    """The names of task runs, as far as the server knows them."""
    wanted, names = list(ids), dict[UUID, str]()
    for start in range(0, len(wanted), PAGE):
        chosen = by.TaskRunFilter(id=by.TaskRunFilterId(any_=wanted[start : start + PAGE]))
        for task in await api.read_task_runs(task_run_filter=chosen, limit=PAGE):
            names[task.id] = task.name
    return names


def status_of(run: FlowRun, below: tuple[PartStatus, ...] = ()) -> RunStatus:
    """Prefect's flow run in our words."""
    state = run.state
    return RunStatus(
        id=str(run.id),
        name=run.name,
        state=state.type.value if state else "PENDING",
        state_name=(state.name if state else None) or "Pending",
        message=(state.message if state else None) or "",
        tags=tuple(run.tags),
        started_at=run.start_time,
        ended_at=run.end_time,
        url=url_for("flow-run", obj_id=run.id) or "",
        is_of_a_deployment=run.deployment_id is not None,
        parts=below,
    )


def _part(run: FlowRun | TaskRun, kind: str) -> PartStatus:
    state = run.state
    return PartStatus(
        name=run.name,
        kind=kind,
        state=(state.name if state else None) or "Pending",
        message=(state.message if state else None) or "",
        started_at=run.start_time,
        ended_at=run.end_time,
    )


async def _children(api: Api, parents: list[UUID], offset: int) -> list[FlowRun]:
    return await api.read_flow_runs(
        flow_run_filter=by.FlowRunFilter(parent_flow_run_id=by.FlowRunFilterParentFlowRunId(any_=parents)),
        sort=FlowRunSort.START_TIME_ASC,
        limit=PAGE,
        offset=offset,
    )


async def tasks_of(
    api: Api, flows: list[UUID], offset: int, *, state: by.TaskRunFilterState | None = None
) -> list[TaskRun]:
    """A page of the task runs of some flow runs.

    A subflow stands in its parent as a task run as well; it counts once, as what it is.
    """
    wanted = by.TaskRunFilter(
        flow_run_id=by.TaskRunFilterFlowRunId(any_=flows),
        subflow_runs=by.TaskRunFilterSubFlowRuns(exists_=False),
        state=state,
    )
    return await api.read_task_runs(
        task_run_filter=wanted, sort=TaskRunSort.EXPECTED_START_TIME_ASC, limit=PAGE, offset=offset
    )
