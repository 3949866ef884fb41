"""The flow run of a question to a person: it is paused until there is an answer, and ends as that says."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, PrefectException, PrefectHTTPStatusError
from prefect.input.run_input import keyset_from_base_key
from prefect.logging.loggers import get_run_logger
from prefect.states import Cancelled, Completed, Failed, Paused

from codegen.naming import title
from control.questions import FLOW, PAUSE, STEP, TRY, answer_in, form
from steps.errors import StepFailed
from steps.questions import Answer, Question

FIRST_LOOK, LONGEST_BETWEEN_LOOKS = 1.0, 10.0
_GROWTH = 1.5
WITHDRAWN = "Withdrawn"
AWAY = (httpx.HTTPError, PrefectException)
_KEYS = {str(key): value for key, value in keyset_from_base_key(PAUSE).items()}


@dataclass(slots=True)
class Asked:
    """A question with its flow run."""

    api: Api
    question: Question
    run: FlowRun

    @property
    def is_open(self) -> bool:
        """Whether it was when it was put, or found."""
        return self.run.state is not None and self.run.state.is_paused()

    @property
    def is_over(self) -> bool:
        """Whether it had ended when it was found."""
        return self.run.state is not None and self.run.state.is_final()

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
        if self.is_over:
            return
        try:
            await self.api.set_flow_run_state(self.run.id, state, force=True)
        except AWAY as error:
            get_run_logger().warning("How %r was answered can't be shown: %s", self.question.about, error)

    async def _look(self) -> Answer | None:
        """The answer if it is there. StepFailed if there won't be one, and no deadline is why."""
        try:
            state = (await self.api.read_flow_run(self.run.id)).state
            if state is None or state.is_paused() or _is_new(state):
                return None
            if (answer := await _given(self.api, self.run.id)) is not None:
                return answer
        except ObjectNotFound as error:
            raise StepFailed("the question was deleted in Prefect") from error
        except AWAY as error:
            get_run_logger().debug("Prefect could not be asked for the answer: %s", error)
            return None
        if state.is_cancelling() or state.is_cancelled():
            raise StepFailed("the question was cancelled in Prefect")
        if state.timestamp < self._deadline():
            raise StepFailed(f"the question ended in Prefect without an answer: {state.name}")
        return None

    def _deadline(self) -> datetime:
        state = self.run.state
        set_before = state.state_details.pause_timeout if state is not None else None
        begun = self.run.created or datetime.now(UTC)
        return set_before or begun + timedelta(seconds=self.question.timeout)

    async def _keep(self, key: str, value: Any) -> None:
        try:
            await self.api.create_flow_run_input(self.run.id, key, json.dumps(value))
        except PrefectHTTPStatusError as error:
            if error.response.status_code != httpx.codes.CONFLICT:
                raise


async def closed(api: Api, question: UUID) -> State[Any]:
    """End a question that nobody waits for any more, and say how: as it was answered, else withdrawn.

    Whoever was told that an answer is taken finds it; once it is withdrawn Prefect takes none.
    """
    answer = await _given(api, question)
    if answer is None:
        ending = withdrawn()
        await api.set_flow_run_state(question, ending, force=True)
        answer = await _given(api, question)
    if answer is not None:
        ending = ending_of(answer)
        await api.set_flow_run_state(question, ending, force=True)
    return ending


async def _given(api: Api, question: UUID) -> Answer | None:
    found = await api.filter_flow_run_input(question, _KEYS["response"], 1, set())
    if not found:
        return None
    at = found[0].created or datetime.now(UTC)
    return answer_in(found[0].value, at.isoformat())


async def run_of_question(api: Api, question: Question, key: str, workflow: str, attempt: int) -> FlowRun:
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
            "parameters": {STEP: question.about, "message": question.message, TRY: attempt},
            "parent_task_run_id": parent,
            "idempotency_key": key,
            "tags": [FLOW],
            "state": {"type": "RUNNING", "name": "Asking"},
        },
    )
    return FlowRun.model_validate(answer.json())


async def known_run(api: Api, key: str) -> FlowRun | None:
    """The question's flow run from an earlier life of the run."""
    wanted = by.FlowRunFilter(idempotency_key=by.FlowRunFilterIdempotencyKey(any_=[key]))
    return next(iter(await api.read_flow_runs(flow_run_filter=wanted, limit=1)), None)


def holds(run: FlowRun, attempt: int) -> bool:
    """Whether a question of an earlier life, and what became of it, is one of this try of the run.

    What was withdrawn is asked again, and in another try all that did not bring a yes.
    """
    if run.state is None or not run.state.is_final() or run.state.is_completed():
        return True
    return run.parameters.get(TRY) == attempt and run.state.name != WITHDRAWN


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
    return Cancelled(name=WITHDRAWN, message="Nobody waits for an answer any more")


def _is_new(state: State[Any] | None) -> bool:
    """Whether a question has not been put yet."""
    return state is None or (state.is_running() and state.name == "Asking")


def ending_of(answer: Answer | None) -> State[Any]:
    if answer is None:
        return Failed(name="TimedOut", message="Nobody answered in time")
    comment = f": {answer.comment}" if answer.comment else ""
    if answer.approved:
        return Completed(name="Approved", message=f"Approved by {answer.by}{comment}")
    return Failed(name="Denied", message=f"Denied by {answer.by}{comment}")
