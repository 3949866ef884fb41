"""How a run ends that did not succeed, with what people want to read first."""

from collections.abc import Collection
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Failed

from codegen.reasons import failure, told, with_leftovers
from codegen.result import Report


def unsuccessful(report: Report, reason: str | None, data: Any = None) -> State[Any] | None:
    """Cancelled or Failed, as the report says; None where there is no reason, after success."""
    if reason is None:
        return None
    return (Cancelled if report.cancelled else Failed)(message=reason, data=data)


def why(report: Report, leaves: Collection[str]) -> str | None:
    """Why the run did not succeed, None where it did; `leaves` are the main steps that are no groups."""
    if report.success:
        return None
    return with_leftovers(report, _cancellation(report, leaves)) if report.cancelled else failure(report)


def _cancellation(report: Report, leaves: Collection[str]) -> str:
    """Which steps were ended, how many never started, and what had failed all the same."""
    steps = {id: record for id, record in report.steps.items() if id in leaves}
    cancelled = [(id, record) for id, record in steps.items() if record.status == "cancelled"]
    stopped = [id for id, record in cancelled if record.started_at]
    waiting = len(cancelled) - len(stopped)
    said = [f"stopped {', '.join(stopped)}" if stopped else "no main step was running"]
    if waiting:
        said.append(f"{waiting} {'step' if waiting == 1 else 'steps'} did not start")
    if report.error is not None:
        said.append(told(report.error))
    return f"Cancelled: {'; '.join(said)}"
