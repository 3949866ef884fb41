"""How a person is asked: each question is a flow run of its own, paused until it is answered.

A run can be paused for one question at a time, and what runs beside it would be shown as paused, too. So it
goes on, and several questions can be open at once. Prefect's UI shows a paused run's Resume button with a
form, wherever one comes from: the list of paused runs, the run's subflows, or the address in its log.
"""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from prefect import get_client
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.logging.loggers import flow_run_logger, get_run_logger
from prefect.utilities.urls import url_for

from flows.question_runs import AWAY, Asked, closed, ending_of, holds, known_run, run_of_question
from steps.clock import present
from steps.questions import Answer, Question
from steps.scope import Scope

_LAST_WORDS = 5.0
"""Seconds that a run which is being cancelled takes at most to withdraw a question."""


class Desk:
    """Where all steps of one run have their questions asked, those of its subflows included.

    `root` is the whole run, whose log tells of them. `open` are the questions that wait for an answer, and
    nothing else; while the desk is not `free`, no answer is given to who asked.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.open: dict[UUID, FlowRun] = {}
        self.free = asyncio.Event()
        self.free.set()
        self._asked: Counter[str] = Counter()
        # SQLite keeps some waiting for a minute where many write at once: 20 questions took 80 s, not 10.
        self._opening = asyncio.Lock()

    async def ask(self, question: Question, scope: Scope) -> Answer | None:
        """The answer, however long it takes; None where nobody has given one in time."""
        async with get_client() as api:
            asked = Asked(api, question, await self._whole_run(api, question, scope))
            try:
                async with self._opening:
                    await asked.pause()
                if asked.is_open:
                    await self._tell(asked, scope)
                with self._waiting(asked):
                    answer = await asked.answer()
                    await self.free.wait()
                await asked.end(ending_of(answer))
            except asyncio.CancelledError:
                if self.free.is_set():
                    await _briefly(_closed(asked, scope))
                raise
        return answer

    @contextmanager
    def _waiting(self, asked: Asked) -> Iterator[None]:
        if not asked.is_open:
            yield  # the answer is there already
            return
        self.open[asked.run.id] = asked.run
        try:
            with present().handed_over():
                yield
        finally:
            del self.open[asked.run.id]

    async def _whole_run(self, api: Api, question: Question, scope: Scope) -> FlowRun:
        """The question's flow run. Who is cancelled while Prefect makes it leaves no question behind."""
        async with self._opening:
            making = asyncio.create_task(self._run(api, question, scope))
            try:
                return await asyncio.shield(making)
            except asyncio.CancelledError:
                await _briefly(_closed_once_made(api, question, making, scope))
                raise

    async def _run(self, api: Api, question: Question, scope: Scope) -> FlowRun:
        """The question's flow run.

        Of a run that goes on in another process, or is retried in Prefect, it may be the one of before.
        """
        journal = scope.surroundings.journal
        while True:
            self._asked[question.key] += 1
            key = f"{question.key}.{self._asked[question.key]}"
            known = await known_run(api, key) if journal.is_later else None
            run = known or await run_of_question(api, question, key, scope.surroundings.name, journal.attempt)
            if holds(run, journal.attempt):
                return run

    async def _tell(self, asked: Asked, scope: Scope) -> None:
        """In the step's own log, and where people look first: in that of the whole run."""
        question, here = asked.question, FlowRunContext.get()
        address = url_for("flow-run", obj_id=asked.run.id) or f"flow run {asked.run.id}"
        command = f"opsconductor approve {self.root} {shlex.quote(question.about)}"
        text = f"Waiting for an answer: {question.message} Give it at {address} or with `{command}`"
        scope.line(text)
        if here is None or here.flow_run is None or str(here.flow_run.id) == self.root:
            return
        try:
            flow_run_logger(await asked.api.read_flow_run(UUID(self.root))).info("%s", text)
        except AWAY as error:
            get_run_logger().debug("The run's log could not be written: %s", error)


_desk: ContextVar[Desk | None] = ContextVar("opsconductor_desk", default=None)


def desk_of(root: str) -> Desk:
    """The desk of this run."""
    desk = _desk.get()
    if desk is None or desk.root != root:
        desk = Desk(root)
        _desk.set(desk)
    return desk


async def _closed_once_made(
    api: Api, question: Question, making: asyncio.Task[FlowRun], scope: Scope
) -> None:
    try:
        run = await making
    except AWAY as error:
        get_run_logger().warning("Whether %r is still asked is not known: %s", question.about, error)
        return
    await _closed(Asked(api, question, run), scope)


async def _closed(asked: Asked, scope: Scope) -> None:
    """Close the question of a step that is being cancelled. An answer is told, and stands in its record."""
    if asked.is_over:
        return
    try:
        ending = await closed(asked.api, asked.run.id)
    except AWAY as error:
        get_run_logger().warning("The question %r could not be closed: %s", asked.question.about, error)
        return
    if not ending.is_cancelled():
        scope.line(f"{ending.message}; but the run was being cancelled")
        scope.when_cancelled = f"cancelled after the answer: {ending.message}"


async def _briefly(work: Awaitable[None]) -> None:
    """Do it, but not for long, and although the task that does it is being cancelled."""
    try:
        await asyncio.wait_for(work, _LAST_WORDS)
    except TimeoutError:
        get_run_logger().warning("The question could not be withdrawn in time")
