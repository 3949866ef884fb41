"""How a run ends that did not succeed, with what people want to read first."""

import logging
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from celery_bridge.errors import BridgeError, WorkerLost
from codegen.reasons import LOST, cancellation, failure, times_of
from codegen.result import Report
from control.waiting import AWAITING

SUSPENDED = "Suspended"


def unsuccessful(report: Report, reason: str | None, data: Any = None) -> State[Any] | None:
    """Cancelled, Lost or Failed, as the report says; None where there is no reason, after success."""
    if reason is None:
        return None
    if report.cancelled:
        return Cancelled(message=_with_times(reason, report), data=data)
    lost = any(record.status == "lost" for record in report.steps.values())
    return Failed(name=LOST if lost else None, message=reason, data=data)


def _with_times(reason: str, report: Report) -> str:
    return f"{reason} ({times_of(report.receipt)})" if report.receipt is not None else reason


def ended_by(error: BridgeError) -> State[Any]:
    """Failed without a report. As a state: raised, it would fill the log with its traceback."""
    return Failed(name=LOST if isinstance(error, WorkerLost) else None, message=str(error), data=error)


def suspended() -> State[Any]:
    """Of what a process leaves behind. Not Cancelled: Prefect would cancel the questions below it as well."""
    return Completed(name=SUSPENDED, message="Left; another one goes on with it when there is an answer")


class WaitingIsNoError(logging.Filter):
    """For the logger of flow runs: Prefect calls every end but Completed an error, also that a run waits."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets everything pass."""
        if record.getMessage().startswith(f"Finished in state {AWAITING}("):
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


WAITING_IS_NO_ERROR = WaitingIsNoError()


def returned(report: Report | None) -> Any:
    """What a generated flow returns: its outputs, or a state. No report: its process leaves the run."""
    if report is None:
        return suspended()
    # Prefect takes a state that a flow returns as the state it ended in, without a traceback in its logs.
    ending = unsuccessful(report, why(report))
    return report.outputs if ending is None else ending


def why(report: Report) -> str | None:
    """Why the run did not succeed, None where it did."""
    if report.success:
        return None
    return cancellation(report) if report.cancelled else failure(report)
