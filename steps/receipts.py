"""What is known to have come of a cancellation, read from the records of the steps."""

import asyncio
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from codegen.reasons import placed
from codegen.result import Receipt, StepRecord, Unconfirmed
from steps.scope import Scope


def receipt_of(
    steps: Mapping[str, StepRecord],
    leaves: Iterable[str],
    asked_at: datetime,
    ended_before: Container[str] = (),
) -> Receipt:
    """The receipt of a run that was told to end at a moment; `leaves` are the steps that are no groups.

    What a race or a timeout had ended before that is no affair of it.
    """
    stopped: list[str] = []
    unconfirmed: list[Unconfirmed] = []
    never_began: dict[str, None] = {}
    confirmed_at = None
    for id in leaves:
        for record in _executions(steps[id]):
            if record.status != "cancelled":
                continue
            if record.unconfirmed is not None and _is_later(record, asked_at):
                unconfirmed.append(_doubt(id, record, record.unconfirmed))
            elif not record.attempts and id not in ended_before:
                never_began[_label(id, record)] = None
            elif record.attempts and record.ended_at is not None and _is_later(record, asked_at):
                stopped.append(_label(id, record))
                confirmed_at = max(confirmed_at or record.ended_at, record.ended_at)
    return Receipt(
        asked_at=asked_at,
        confirmed_at=confirmed_at,
        running=len(stopped) + len(unconfirmed),
        stopped=tuple(stopped),
        unconfirmed=tuple(unconfirmed),
        never_began=tuple(never_began),
    )


@contextmanager
def unconfirmed(scope: Scope, reason: str) -> Iterator[None]:
    """What is cancelled inside the block may go on all the same, for this reason."""
    try:
        yield
    except asyncio.CancelledError:
        scope.unconfirmed = reason
        raise


def doubts_of(receipt: Receipt | None) -> str | None:
    """What is not known to have ended, with the reasons; None where all is."""
    doubts = receipt.unconfirmed if receipt is not None else ()
    return "; ".join(f"{placed(one.step, one.place)}: {one.reason}" for one in doubts) or None


def _executions(record: StepRecord) -> Iterator[StepRecord]:
    if not record.items:
        yield record
    for item in record.items:
        yield from _executions(item)


def _is_later(record: StepRecord, moment: datetime) -> bool:
    return record.ended_at is not None and record.ended_at >= moment


def _label(id: str, record: StepRecord) -> str:
    return placed(id, _place(record))


def _place(record: StepRecord) -> str:
    if record.error is not None:
        return record.error.place
    return f"on {record.target}" if record.target else ""


def _doubt(id: str, record: StepRecord, reason: str) -> Unconfirmed:
    return Unconfirmed(step=id, target=record.target, place=_place(record), reason=reason)
