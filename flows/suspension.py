"""A run that has nothing left to do but wait for people gives its process back.

Its flow run is scheduled meanwhile. When its time comes, or somebody answers on the command line, its
worker starts another process for it. That one looks whether there is an answer: if not, it leaves again;
else it goes on from the journal, as after a death.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from celery_bridge.background import alongside
from celery_bridge.errors import SettingsError
from codegen.workflow import Workflow
from control.questions import STEP
from control.waiting import is_to_end, next_look, note_place, place_of, put_off
from flows.approvals import Desk, desk_of
from flows.journals import Book
from flows.question_runs import closed
from flows.session import Session
from flows.slots import FAULTS
from steps.busy import BusyClock
from steps.clock import keeping
from steps.entries import Entry
from steps.journal import Journal

SECONDS_BETWEEN_LOOKS = 1.0
NEVER = "never"
T = TypeVar("T")


class PutOff(Exception):
    """The run goes on later, in another process."""

    def __init__(self, state: State[Any]) -> None:
        super().__init__(state.message)
        self.state = state


class WaitsElsewhere(Exception):
    """What the run did before it waited was written down on another machine."""


def patience() -> float | None:
    """OPSCONDUCTOR_SUSPEND_AFTER: seconds for which a run waits for answers in its process; None: always."""
    text = os.environ.get("OPSCONDUCTOR_SUSPEND_AFTER", "").strip() or NEVER
    if text == NEVER:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise SettingsError(
            f"OPSCONDUCTOR_SUSPEND_AFTER={text!r} is no number of seconds. Give one, such as 30, or {NEVER}."
        )
    return seconds


async def until_put_off(
    work: Coroutine[Any, Any, T], document: Workflow, session: Session, book: Book, journal: Journal
) -> T:
    """Do the work of a run to its end. PutOff: there is nothing to do before an answer.

    A run without a deployment has nobody who would start it again, and one with `concurrency` keeps its slot.
    """
    after, here = patience(), FlowRunContext.get()
    is_deployed = here is not None and here.flow_run is not None and here.flow_run.deployment_id is not None
    if after is None or not is_deployed or document.concurrency is not None:
        return await work
    limit = None if document.timeout is None else journal.began + timedelta(seconds=document.timeout)
    clock, desk = BusyClock(), desk_of(session.run_id)  # before the work, which is to find them
    with keeping(clock):
        task = asyncio.create_task(work)
    leaving = _Leaving(session, book, desk, clock, after, limit)
    async with alongside(leaving.put_off()) as leave:
        try:
            await asyncio.wait({task, leave}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            return await task
        if task.done():
            return await task
    session.left = True
    journal.abandon()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    raise PutOff(leave.result())


@dataclass(frozen=True, slots=True)
class _Leaving:
    """When and how a run leaves its process. `limit`: the moment of the workflow's timeout."""

    session: Session
    book: Book
    desk: Desk
    clock: BusyClock
    after: float
    limit: datetime | None

    async def put_off(self) -> State[Any]:
        """Wait until nothing is left but to wait; the state in which the run does it from then on."""
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            if self._only_waits():
                try:
                    state = await self._agreed()
                except FAULTS as error:
                    get_run_logger().debug("The run stays in its process: %s", error)
                else:
                    if state is not None:
                        return state

    def _only_waits(self) -> bool:
        if self.session.cancelled or not self.desk.open or not self.book.is_kept:
            return False
        if not self.clock.idle_for(SECONDS_BETWEEN_LOOKS):
            return False
        return datetime.now(UTC) - _since(self.desk.open.values()) >= timedelta(seconds=self.after)

    async def _agreed(self) -> State[Any] | None:
        """Prefect's word that the run comes back. Meanwhile no answer lets it go on."""
        self.desk.free.clear()
        state = None
        try:
            state = await self._asked_for()
        finally:
            if state is None:
                self.desk.free.set()
        return state

    async def _asked_for(self) -> State[Any] | None:
        run_id, ids = UUID(self.session.run_id), list(self.desk.open)
        async with get_client() as api:
            questions = await all_open(api, ids)
            if questions is None:
                return None
            until = [_until(question, self.limit) for question in questions]
            for id, time in zip(ids, until, strict=True):
                self.book.add(Entry("waits", str(id), time=time))
            await note_place(api, run_id, socket.gethostname())
            return await _later(api, run_id, questions, min(until))


async def taken_up(session: Session, book: Book) -> None:
    """A run that has begun before goes on. PutOff: it came back, and there is no answer yet."""
    await _require_journal(session, book)
    if book.waits and (state := await _still_waiting(session, book)) is not None:
        raise PutOff(state)


async def _still_waiting(session: Session, book: Book) -> State[Any] | None:
    run_id, ids = UUID(session.run_id), [UUID(entry.key) for entry in book.waits]
    until = min(entry.time for entry in book.waits)
    async with get_client() as api:
        questions = await all_open(api, ids)
        if session.cancelled or await is_to_end(api, run_id):
            session.cancel()
            await _close(api, ids)
            return None
        if questions is None or datetime.now(UTC) >= until:
            return None
        book.keep()
        return await _later(api, run_id, questions, until)


async def _require_journal(session: Session, book: Book) -> None:
    """WaitsElsewhere: a run that waited comes back to a machine that doesn't know what it did before."""
    if book.about is not None:
        return
    async with get_client() as api:
        place = await place_of(api, UUID(session.run_id))
    if place is not None:
        raise WaitsElsewhere(
            f"this run waited for an answer on {place}, and what it had done by then is not known on "
            f"{socket.gethostname()}, so it would be done twice. Let the workers of a pool share a folder as "
            "OPSCONDUCTOR_HOME, or leave OPSCONDUCTOR_SUSPEND_AFTER out of their environment"
        )


async def _later(api: Api, run_id: UUID, questions: list[FlowRun], until: datetime) -> State[Any] | None:
    when = next_look(datetime.now(UTC), _since(questions), until)
    return await put_off(api, run_id, [str(question.parameters[STEP]) for question in questions], when)


async def all_open(api: Api, ids: list[UUID]) -> list[FlowRun] | None:
    """The questions, unless one of them is open no more."""
    found = {run.id: run for run in await api.read_flow_runs(flow_run_filter=_with(ids), limit=len(ids))}
    questions = [found[id] for id in ids if id in found and found[id].state_type is StateType.PAUSED]
    return questions if len(questions) == len(ids) else None


async def _close(api: Api, ids: list[UUID]) -> None:
    """An answer that nobody will look for any more is told."""
    for run in await api.read_flow_runs(flow_run_filter=_with(ids), limit=len(ids)):
        if run.state is not None and not run.state.is_final():
            ending = await closed(api, run.id)
            if not ending.is_cancelled():
                get_run_logger().info(
                    "%s: %s; but the run is cancelled", run.parameters[STEP], ending.message
                )


def _with(ids: list[UUID]) -> by.FlowRunFilter:
    return by.FlowRunFilter(id=by.FlowRunFilterId(any_=ids))


def _since(questions: Iterable[FlowRun]) -> datetime:
    """When the last of them was put."""
    return max(question.state.timestamp for question in questions if question.state is not None)


def _until(question: FlowRun, limit: datetime | None) -> datetime:
    state = question.state
    open_until = state.state_details.pause_timeout if state is not None else None
    return min((time for time in (open_until, limit) if time), default=datetime.max.replace(tzinfo=UTC))
