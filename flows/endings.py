"""The state in which a run ends that did not succeed, with what people want to read first."""

from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Failed

from codegen.result import Report


def unsuccessful(report: Report, data: Any = None) -> State[Any] | None:
    """Cancelled or Failed, as the report says; None after success."""
    if report.cancelled:
        return Cancelled(message=cancellation(report), data=data)
    if not report.success:
        return Failed(message=failure(report), data=data)
    return None


def failure(report: Report) -> str:
    """Which step failed, and why."""
    error = report.error
    return f"step {error.step!r} failed: {error.message}" if error else "the workflow failed"


def cancellation(report: Report) -> str:
    """Which steps were ended, and how many never started."""
    cancelled = [(id, record) for id, record in report.steps.items() if record.status == "cancelled"]
    stopped = [id for id, record in cancelled if record.started_at]
    waiting = len(cancelled) - len(stopped)
    ended = f"stopped {', '.join(stopped)}" if stopped else "nothing was running"
    return f"Cancelled: {ended}; {waiting} {'step' if waiting == 1 else 'steps'} did not start"
