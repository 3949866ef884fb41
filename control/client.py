"""The client side of Prefect: start a run, follow it, cancel it, read its logs and its state."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx
from prefect import get_client
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings
from prefect.states import Cancelling

from celery_bridge.urls import masked
from control.again import IsAlive, RanAs, try_again
from control.answers import is_refusal, told_by
from control.errors import NotDeployed, PrefectUnreachable, RunAmbiguous, RunRefused, RunUnknown
from control.questions import OpenQuestion, chosen, give, open_questions
from control.run_logs import LogReader, OnLog, position
from control.run_tree import PAGE, family, parts, status_of
from control.runs import RunLog, RunStatus
from control.waiting import ask_to_end, come_back, waits

ROUTERS = ("route-workflow/embedded", "route-workflow/router")
"""The router as `opsconductor up` serves it, and as prefect.yaml deploys it."""

_POLL = 0.5
_LAST_STATES = 3.0
"""Seconds after a run's end in which its task runs' last states still come."""
_LAST_LINES = timedelta(seconds=15)
"""Time after a run's end in which its last batch of log lines may still come; a run that was killed has no
last line, and a batch that the server couldn't take at once comes again after seconds."""

_CLOCKS = timedelta(seconds=1)
"""How far the clock of a run may be behind that of the server, which dates its end."""


class PrefectClient:
    """Talks to the server of PREFECT_API_URL. Use it as an async context manager.

    Every method raises PrefectUnreachable when the server doesn't answer or refuses us.
    """

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._connected: Api | None = None

    async def __aenter__(self) -> Self:
        if not get_current_settings().api.url:
            raise PrefectUnreachable(
                "There is no Prefect server: start one with `opsconductor up`, "
                "or set PREFECT_API_URL to your own."
            )
        with _reached():
            try:
                self._connected = await self._stack.enter_async_context(get_client())
            except RuntimeError as error:  # what Prefect makes of no answer and of another version's
                raise PrefectUnreachable(_no_answer(str(error.__cause__ or error))) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def start(
        self, parameters: Mapping[str, Any], deployments: Sequence[str] = ROUTERS, *, name: str | None = None
    ) -> RunStatus:
        """A new run of the first of these deployments that exists; it begins when its worker takes it.

        It can be found by its name from then on.
        Raises NotDeployed, and RunRefused when Prefect doesn't accept the parameters.
        """
        with _reached():
            deployment = await self._deployed(deployments)
            try:
                run = await self._api.create_flow_run_from_deployment(
                    deployment, parameters=dict(parameters), name=name
                )
            except PrefectHTTPStatusError as error:
                if is_refusal(error):
                    raise RunRefused(told_by(error)) from error
                raise
        return status_of(run)

    async def _deployed(self, names: Sequence[str]) -> UUID:
        for name in names:
            try:
                return (await self._api.read_deployment_by_name(name)).id
            except ObjectNotFound:
                continue
        raise NotDeployed(" or ".join(names))

    async def state(self, run_id: UUID | str) -> RunStatus:
        """The run's state now, with its subflows and task runs. Raises RunUnknown."""
        with _reached():
            run = await self._run(run_id)
            return status_of(run, await parts(self._api, await family(self._api, run)))

    async def position(self, run_id: UUID | str) -> str:
        """Of a run on Celery: which step began last, and how far the run is with it. Raises RunUnknown."""
        with _reached():
            return await position(self._api, await self._run(run_id))

    async def find(self, reference: str, *, unfinished: bool = False) -> RunStatus:
        """The run with this id, else the latest of this name, else the recent one whose id begins so.

        With `unfinished` a name means the only run of that name that hasn't ended yet.
        Raises RunUnknown and RunAmbiguous.
        """
        with _reached():
            if _uuid(reference) is not None:
                return status_of(await self._run(reference))
            named = await self._named(reference)
            going_on = [run for run in named if not run.is_final]
            if unfinished and len(going_on) > 1:
                raise RunAmbiguous(reference, [run.id for run in going_on[:10]])
            if named:
                return going_on[0] if unfinished and going_on else named[0]
            return await self._beginning(reference)

    async def ask_to_end(self, run_id: UUID | str) -> None:
        """Ask for the run's end. One that has ended already stays as it is."""
        with _reached():
            run = await self._run(run_id)
            if waits(run):
                await ask_to_end(self._api, run)
            else:
                await self._api.set_flow_run_state(run.id, Cancelling())

    async def cancel(self, run_id: UUID | str, patience: float = 30.0) -> RunStatus:
        """Ask for the run's end and wait for it, up to `patience` seconds; the state it is in then."""
        await self.ask_to_end(run_id)
        return await self.ended(run_id, patience)

    async def ended(self, run_id: UUID | str, patience: float = 30.0) -> RunStatus:
        """Wait for the run's end, up to `patience` seconds; the state it is in then."""
        with _reached():
            ended = await _until(lambda: self._brief(run_id), lambda status: status.is_final, patience)
            if not ended.is_final:
                return ended
            return await _until(
                lambda: self.state(run_id), lambda status: not status.unfinished, _LAST_STATES
            )

    async def answer(
        self, run_id: UUID | str, step: str | None, *, approve: bool, by: str, comment: str = ""
    ) -> OpenQuestion:
        """Answer what the run waits for, at `step` or at the only one that does; which question it was.

        Raises NoSuchQuestion, and AnswerRefused when Prefect doesn't take the answer.
        """
        with _reached():
            run = await self._run(run_id)
            runs = await family(self._api, run)
            question = chosen(open_questions(runs), step, str(run_id))
            await give(self._api, question, approve=approve, by=by, comment=comment)
            await come_back(self._api, run)
        return question

    async def try_again(
        self, run_id: UUID | str, start: str | None, is_alive: IsAlive, ran_as: RanAs, *, here: bool = False
    ) -> FlowRun:
        """Have a run that has ended, or whose process died, tried again. Raises NotAgain."""
        with _reached():
            return await try_again(self._api, await self._run(run_id), start, is_alive, ran_as, here=here)

    async def follow(
        self, run_id: UUID | str, on_log: OnLog | None = None, since: datetime | None = None
    ) -> RunStatus:
        """Wait for the run's end; `on_log` gets the log lines of the run and all below it as they come.

        `since`: of an earlier try of it, which ended before, no lines are wanted.
        """
        with _reached():
            root = await self._run(run_id)
            reader = LogReader(self._api, root, since)
            status = status_of(root)
            while not status.is_final:
                await reader.pass_on(on_log)
                await asyncio.sleep(_POLL)
                status = status_of(await self._run(run_id))
            await reader.pass_on(on_log)
            while on_log and _may_say_more(status, reader.last_line):
                await asyncio.sleep(_POLL)
                await reader.pass_on(on_log)
            return status

    async def logs(self, run_id: UUID | str) -> list[RunLog]:
        """All log lines of the run, its subflows and its tasks, in the order of their time."""
        with _reached():
            return await LogReader(self._api, await self._run(run_id)).new()

    async def has_block(self, kind: str, name: str) -> bool:
        """Whether Prefect has a block, such as `has_block("celery-broker", "default")`."""
        with _reached():
            try:
                await self._api.read_block_document_by_name(name, kind)
            except ObjectNotFound:
                return False
            return True

    @property
    def _api(self) -> Api:
        if self._connected is None:
            raise RuntimeError("use it as `async with PrefectClient() as client`")
        return self._connected

    async def _brief(self, run_id: UUID | str) -> RunStatus:
        return status_of(await self._run(run_id))

    async def _run(self, run_id: UUID | str) -> FlowRun:
        id = _uuid(str(run_id))
        if id is None:
            raise RunUnknown(str(run_id))
        try:
            return await self._api.read_flow_run(id)
        except ObjectNotFound:
            raise RunUnknown(str(run_id)) from None

    async def _named(self, name: str) -> list[RunStatus]:
        return await self._latest(
            by.FlowRunFilter(
                name=by.FlowRunFilterName(any_=[name]),
                parent_task_run_id=by.FlowRunFilterParentTaskRunId(is_null_=True),
            )
        )

    async def _beginning(self, reference: str) -> RunStatus:
        past = by.FlowRunFilterExpectedStartTime(before_=datetime.now(UTC))
        recent = await self._latest(by.FlowRunFilter(expected_start_time=past))
        found = [run for run in recent if reference and run.id.startswith(reference.lower())]
        if len(found) > 1:
            raise RunAmbiguous(reference, [run.id for run in found[:10]])
        if not found:
            raise RunUnknown(reference)
        return found[0]

    async def _latest(self, wanted: by.FlowRunFilter) -> list[RunStatus]:
        runs = await self._api.read_flow_runs(
            flow_run_filter=wanted, sort=FlowRunSort.START_TIME_DESC, limit=PAGE
        )
        return [status_of(run) for run in runs]


def _may_say_more(run: RunStatus, last_line: datetime | None) -> bool:
    """Whether lines of a run that has ended may still come; its last may be one of an earlier try."""
    ended = run.ended_at
    if ended is None or datetime.now(UTC) - ended > _LAST_LINES:
        return False
    return last_line is None or last_line < ended - _CLOCKS


async def _until(
    read: Callable[[], Awaitable[RunStatus]], holds: Callable[[RunStatus], bool], patience: float
) -> RunStatus:
    """The run's state once the condition holds, or after `patience` seconds."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience
    while True:
        status = await read()
        if holds(status) or clock() >= deadline:
            return status
        await asyncio.sleep(_POLL)


@contextmanager
def _reached() -> Iterator[None]:
    """Turns the ways in which a server can't be reached into one."""
    try:
        yield
    except httpx.TransportError as error:
        raise PrefectUnreachable(_no_answer(str(error) or type(error).__name__)) from error
    except PrefectHTTPStatusError as error:
        raise PrefectUnreachable(_no_answer(told_by(error))) from error


def _no_answer(reason: str) -> str:
    url = masked(get_current_settings().api.url or "")
    return (
        f"The Prefect server {url} can't be used ({masked(reason)}): start it with `opsconductor up`, "
        "or correct PREFECT_API_URL and PREFECT_API_KEY."
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
