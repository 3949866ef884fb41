"""Runs a checked request in this process, as a flow run of the router, and answers Ctrl-C."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow_async
from prefect.utilities.urls import url_for

from cli.failures import Exit
from cli.progress import Progress
from codegen.result import RunResult
from flows.router import route_workflow
from flows.session import Session, listening
from steps.events import Listener

Start = Callable[[], Awaitable[Any]]
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its result where there is one, else the error that kept it from having one."""

    state_name: str
    message: str
    url: str
    cancelled: bool
    result: RunResult | None = None
    error: BaseException | None = None


class Interruption:
    """What Ctrl-C and SIGTERM do: the first asks the run to cancel, the second leaves."""

    def __init__(self, progress: Progress, *, asked: bool) -> None:
        self._progress = progress
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: Session | None = None
        self._asked = asked
        self._wanted = False

    @contextmanager
    def handled(self) -> Iterator[None]:
        """The signals come here while the block runs."""
        before = {number: signal.signal(number, self._interrupted) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def began(self) -> None:
        """The event loop runs; what was asked for before counts."""
        self._loop = asyncio.get_running_loop()
        self._wanted = self._asked

    def opened(self, session: Session) -> None:
        """The run has begun; what was asked for before takes effect."""
        self._session = session
        if self._wanted:
            session.cancel()

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked:
            self._progress.abandoned("Leaving at once, although the run has not ended.")
            os._exit(Exit.CANCELLED)
        self._asked = True
        self._progress.say("Cancelling: what runs is ended. Ctrl-C again leaves at once.")
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._session is not None and not self._wanted:
            self._session.cancel()
        self._wanted = True


def carried_out(parameters: dict[str, Any], progress: Progress) -> Ending:
    """Run the router's flow with these parameters and wait for its end."""
    return _carried_out(lambda: route_workflow(**parameters, return_state=True), progress)


def carried_out_again(run: FlowRun, progress: Progress, *, cancel: bool = False) -> Ending:
    """Run the router's flow once more as the same run, and wait for its end.

    `cancel`: only to bring it to its end.
    """
    again = partial(run_flow_async, route_workflow, run, run.parameters, return_type="state")
    return _carried_out(again, progress, cancel=cancel)


def _carried_out(start: Start, progress: Progress, *, cancel: bool = False) -> Ending:
    """It runs in a thread of its own: Prefect would take SIGTERM for a crash where it can, and a second
    Ctrl-C must work whatever the run is busy with.
    """
    interruption = Interruption(progress, asked=cancel)
    with interruption.handled(), ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, _run(start, progress, interruption)).result()


async def _run(start: Start, listener: Listener, interruption: Interruption) -> Ending:
    interruption.began()
    with listening(listener, interruption.opened):
        state: State[Any] = await start()
    # A run that somebody cancelled and that could not be ended has no result, and never will.
    outcome = None if state.is_cancelling() else await state.aresult(raise_on_failure=False)
    return Ending(
        state_name=state.name or "",
        message=state.message or "",
        url=url_for("flow-run", obj_id=state.state_details.flow_run_id) or "",
        cancelled=state.is_cancelled() or state.is_cancelling(),
        result=outcome if isinstance(outcome, RunResult) else None,
        error=outcome if isinstance(outcome, BaseException) else None,
    )
