"""Runs a checked request in this process, as a flow run of the router, and answers Ctrl-C."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import State
from prefect.utilities.urls import url_for

from cli.failures import Exit
from codegen.result import RunResult
from flows.results import WorkflowRunFailed
from flows.router import route_workflow
from flows.session import Session, listening
from steps.events import Listener


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
    """What Ctrl-C does: the first asks the run to cancel, the second leaves."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._session: Session | None = None
        self._asked = False

    def opened(self, session: Session) -> None:
        """The run has begun; a cancel that was asked for before takes effect now."""
        self._session = session
        if self._asked:
            session.cancel()

    def __call__(self) -> None:
        """Handle one Ctrl-C."""
        if self._asked:
            self._tell("Leaving at once. The run may still go on; `opsconductor cancel` ends it.")
            os._exit(Exit.CANCELLED)
        self._asked = True
        self._tell("Cancelling: what runs is ended. Ctrl-C again leaves at once.")
        if self._session is not None:
            self._session.cancel()

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Ctrl-C comes here while the block runs."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)


async def carried_out(parameters: dict[str, Any], listener: Listener, tell: Callable[[str], None]) -> Ending:
    """Run the router's flow with these parameters and wait for its end."""
    interruption = Interruption(tell)
    with interruption.handled(), listening(listener, interruption.opened):
        state: State[Any] = await route_workflow(**parameters, return_state=True)
    outcome = await state.aresult(raise_on_failure=False)
    result = outcome.result if isinstance(outcome, WorkflowRunFailed) else outcome
    return Ending(
        state_name=state.name or "",
        message=state.message or "",
        url=url_for("flow-run", obj_id=state.state_details.flow_run_id) or "",
        cancelled=state.is_cancelled(),
        result=result if isinstance(result, RunResult) else None,
        error=outcome if isinstance(outcome, BaseException) else None,
    )
