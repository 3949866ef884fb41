"""How a person is asked: each question is a flow run of its own, paused until it is answered.

A run can be paused for one question at a time, and what runs beside it would be shown as paused, too. So it
goes on, and several questions can be open at once. Prefect's UI shows a paused run's Resume button with a
form, wherever one comes from: the list of paused runs, the run's subflows, or the address in its log.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections import Counter
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, PrefectException, PrefectHTTPStatusError
from prefect.input.run_input import keyset_from_base_key
from prefect.logging.loggers import flow_run_logger, get_run_logger
from prefect.states import Cancelled, Completed, Failed, Paused
from prefect.utilities.urls import url_for

from codegen.naming import title
from control.questions import FLOW, PAUSE, STEP, answer_in, form
from steps.clock import present
from steps.errors import StepFailed
from steps.scope import Answer, Question, Scope

FIRST_LOOK, LONGEST_BETWEEN_LOOKS = 1.0, 10.0
_GROWTH = 1.5
_LAST_WORDS = 5.0
"""Seconds that a run which is being cancelled takes at most to withdraw a question."""
_AWAY = (httpx.HTTPError, PrefectException)
_KEYS = {str(key): value for key, value in keyset_from_base_key(PAUSE).items()}


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

    async def ask(self, question: Question, scope: Scope) -> Answer | None:
        """The answer, however long it takes; None where nobody has given one in time."""
        async with get_client() as api:
            asked = _Asked(api, question, await self._run(api, question, scope))
            try:
                await asked.pause()
                if asked.is_open:
                    await self._tell(asked, scope)
                with self._waiting(asked):
                    answer = await asked.answer()
                    await self.free.wait()
            except asyncio.CancelledError:
                if self.free.is_set():
                    await _briefly(asked.end(withdrawn()))
                raise
            await asked.end(_ending(answer))
        return answer

    @contextmanager
    def _waiting(self, asked: _Asked) -> Iterator[None]:
        if not asked.is_open:
            yield  # the answer is there already
            return
        self.open[asked.run.id] = asked.run
        try:
            with present().handed_over():
                yield
        finally:
            del self.open[asked.run.id]

    async def _run(self, api: Api, question: Question, scope: Scope) -> FlowRun:
        """The question's flow run.

        Of a run that goes on in another process, or is retried in Prefect, it is the one of before, unless
        that brought no yes.
        """
        while True:
            self._asked[question.key] += 1
            key = f"{question.key}.{self._asked[question.key]}"
            known = await _known(api, key) if scope.surroundings.journal.is_later else None
            run = known or await _run(api, question, key, scope.surroundings.name)
            if run.state is None or not run.state.is_final() or run.state.is_completed():
                return run

    async def _tell(self, asked: _Asked, scope: Scope) -> None:
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
        except _AWAY as error:
            get_run_logger().debug("The run's log could not be written: %s", error)


_desk: ContextVar[Desk | None] = ContextVar("opsconductor_desk", default=None)


def desk_of(root: str) -> Desk:
    """The desk of this run."""
    desk = _desk.get()
    if desk is None or desk.root != root:
        desk = Desk(root)
        _desk.set(desk)
    return desk


@dataclass(slots=True)
class _Asked:
    """A question with its flow run."""

    api: Api
    question: Question
    run: FlowRun

    @property
    def is_open(self) -> bool:
        """Whether it was when it was put, or found."""
        return self.run.state is not None and self.run.state.is_paused()

    async def pause(self) -> None:
        """Pause the question's run, unless that was done before: by a process that has died since."""
        if not _is_new(self.run.state):
            return
        about = f"{self.question.message}\n\n*{self.question.about}*"
        await self._keep(_KEYS["schema"], form(self.question.approvers))
        await self._keep(_KEYS["description"], about)
        paused: State[Any] = Paused(
            message=self.question.message,
            pause_expiration_time=datetime.now(UTC) + timedelta(seconds=self.question.timeout),
            pause_key=PAUSE,
        )
        paused.state_details.run_input_keyset = _KEYS
        done = await self.api.set_flow_run_state(self.run.id, paused)
        self.run.state = done.state or paused

    async def answer(self) -> Answer | None:
        """Wait for the answer. This is the one place where an approval waits."""
        pause = FIRST_LOOK
        deadline = self._deadline()
        while (left := (deadline - datetime.now(UTC)).total_seconds()) > 0:
            if (found := await self._look()) is not None:
                return found
            await asyncio.sleep(min(pause, left))
            pause = min(pause * _GROWTH, LONGEST_BETWEEN_LOOKS)
        # Prefect takes no answer after the deadline: what is not there now never will be.
        return await self._look()

    async def end(self, state: State[Any]) -> None:
        """Show how it ended. The answer counts, whether or not that can be shown."""
        if self.run.state is not None and self.run.state.is_final():
            return
        try:
            await self.api.set_flow_run_state(self.run.id, state, force=True)
        except _AWAY as error:
            get_run_logger().warning("How %r was answered can't be shown: %s", self.question.about, error)

    async def _look(self) -> Answer | None:
        """The answer if it is there. StepFailed if there won't be one, and no deadline is why."""
        try:
            state = (await self.api.read_flow_run(self.run.id)).state
            if state is None or state.is_paused() or _is_new(state):
                return None
            given = await self.api.filter_flow_run_input(self.run.id, _KEYS["response"], 1, set())
            if given:
                return answer_in(given[0].value, (given[0].created or state.timestamp).isoformat())
        except ObjectNotFound as error:
            raise StepFailed("the question was deleted in Prefect") from error
        except _AWAY as error:
            get_run_logger().debug("Prefect could not be asked for the answer: %s", error)
            return None
        if state.is_cancelling() or state.is_cancelled():
            raise StepFailed("the question was cancelled in Prefect")
        if datetime.now(UTC) < self._deadline():
            raise StepFailed(f"the question ended in Prefect without an answer: {state.name}")
        return None

    def _deadline(self) -> datetime:
        state = self.run.state
        set_before = state.state_details.pause_timeout if state is not None else None
        return set_before or datetime.now(UTC) + timedelta(seconds=self.question.timeout)

    async def _keep(self, key: str, value: Any) -> None:
        try:
            await self.api.create_flow_run_input(self.run.id, key, json.dumps(value))
        except PrefectHTTPStatusError as error:
            if error.response.status_code != httpx.codes.CONFLICT:
                raise


async def _run(api: Api, question: Question, key: str, workflow: str) -> FlowRun:
    """The question's flow run, a subflow of the one that asks. The same question has the same run."""
    here = FlowRunContext.get()
    parent = await _place_in(api, here.flow_run, key) if here is not None and here.flow_run else None
    flow = await api.create_flow_from_name(FLOW)
    answer = await api.request(
        "POST",
        "/flow_runs/",
        json={
            "flow_id": str(flow),
            "name": f"{title(workflow)}: {question.about}"[:200],
            "parameters": {STEP: question.about, "message": question.message},
            "parent_task_run_id": parent,
            "idempotency_key": key,
            "tags": [FLOW],
            "state": {"type": "RUNNING", "name": "Asking"},
        },
    )
    return FlowRun.model_validate(answer.json())


async def _known(api: Api, key: str) -> FlowRun | None:
    """The question's flow run from an earlier life of the run."""
    wanted = by.FlowRunFilter(idempotency_key=by.FlowRunFilterIdempotencyKey(any_=[key]))
    return next(iter(await api.read_flow_runs(flow_run_filter=wanted, limit=1)), None)


async def _place_in(api: Api, around: FlowRun, key: str) -> str:
    """The task run that stands for the question in the flow run around it, as for every subflow."""
    task = {
        "flow_run_id": str(around.id),
        "task_key": FLOW,
        "dynamic_key": key,
        "name": FLOW,
        "state": {"type": "PENDING"},
    }
    return str((await api.request("POST", "/task_runs/", json=task)).json()["id"])


def withdrawn() -> State[Any]:
    """How a question ends that nobody waits for."""
    return Cancelled(message="Nobody waits for an answer any more")


def _is_new(state: State[Any] | None) -> bool:
    """Whether a question has not been put yet."""
    return state is None or (state.is_running() and state.name == "Asking")


def _ending(answer: Answer | None) -> State[Any]:
    if answer is None:
        return Failed(name="TimedOut", message="Nobody answered in time")
    comment = f": {answer.comment}" if answer.comment else ""
    if answer.approved:
        return Completed(name="Approved", message=f"Approved by {answer.by}{comment}")
    return Failed(name="Denied", message=f"Denied by {answer.by}{comment}")


async def _briefly(work: Awaitable[None]) -> None:
    """Do it, but not for long, and although the task that does it is being cancelled."""
    try:
        await asyncio.wait_for(work, _LAST_WORDS)
    except TimeoutError:
        get_run_logger().warning("The question could not be withdrawn in time")
