"""Runs a routed workflow on the engine that was chosen."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.settings import get_current_settings

from celery_bridge.never_started import never_started
from celery_bridge.remote import ended_remotely, link_to
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from celery_bridge.submit import run_on_celery
from codegen.decision import EngineName
from codegen.document import canonical
from codegen.naming import title
from codegen.render import flow_arguments
from codegen.result import Report
from codegen.workflow import Workflow
from flows.configuration import bridge_settings, registry
from flows.journals import Book
from flows.session import Session
from flows.suspension import until_put_off

# Prefect's own default, as a path: unless one is named, each run asks the server twice for it.
LOCAL_STORAGE = Path(get_current_settings().results.local_storage_path)


class RunLost(Exception):
    """The engine ended without a report."""


@dataclass(frozen=True, slots=True)
class Job:
    """A workflow with everything that a run of it needs.

    `again`: it has begun before; `again_from`: then all is done again from this step on.
    """

    workflow: Workflow
    values: Mapping[str, Any]
    targets: tuple[str, ...]
    session: Session
    book: Book
    again: bool = False
    again_from: str | None = None


async def by_prefect(job: Job) -> Report:
    """Generate the flow, or take it from the registry, and run it as a subflow."""
    job.session.journal = journal = job.book.journal(job.again_from)
    entry = await asyncio.to_thread(registry().get_or_create, job.workflow)
    flow = await asyncio.to_thread(registry().load, entry)
    job.session.source = entry.source
    flow = flow.with_options(
        flow_run_name=lambda: title(job.workflow.name), persist_result=False, result_storage=LOCAL_STORAGE
    )
    arguments = flow_arguments(job.workflow, job.values, job.targets)
    work = flow(**arguments, return_state=True)
    state = await until_put_off(work, job.workflow, job.session, job.book, journal)
    if job.session.report is None:
        raise RunLost(f"the generated flow ended without a report: {state.name}: {state.message}")
    journal.over()
    return job.session.report


async def by_celery(job: Job) -> Report:
    """Submit the document to Celery and follow it."""
    settings = await bridge_settings()
    if job.again and job.session.cancelled:
        return await ended_remotely(link_to(settings), _submission(job), job.session.tell)
    work = asyncio.create_task(_submitted(job, settings))
    with job.session.cancels(work.cancel):
        try:
            state = await work
        except asyncio.CancelledError:
            if not job.session.cancelled:
                raise
            return never_started(canonical(job.workflow))  # else the task would have told what became of it
    outcome = await state.aresult(raise_on_failure=False)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


async def _submitted(job: Job, settings: BridgeSettings) -> State[Report]:
    state: State[Report] = await run_on_celery(  # type: ignore[misc]  # Prefect's overloads forget the await
        canonical(job.workflow),
        dict(job.values),
        list(job.targets),
        run_id=job.session.run_id,
        settings=settings,
        listener=job.session.tell,
        again=job.again,
        again_from=job.again_from,
        began=_began(),
        return_state=True,
    )
    return state


def _submission(job: Job) -> Submission:
    """What an earlier process sent."""
    return Submission(canonical(job.workflow), job.values, job.targets, job.session.run_id, again=True)


def _began() -> datetime | None:
    """When the flow run began first."""
    context = FlowRunContext.get()
    return context.flow_run.start_time if context is not None and context.flow_run is not None else None


ENGINES: dict[EngineName, Callable[[Job], Awaitable[Report]]] = {"prefect": by_prefect, "celery": by_celery}
