"""Carries out one step: once, or once per target or item, with what is done about its failures."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from codegen.result import StepError, StepRecord, StepStatus
from steps.causes import why_lost
from steps.clock import present
from steps.entries import Entry
from steps.errors import InnerFailed, InnerLost, StepFailed
from steps.events import now
from steps.frame import Frame
from steps.records import cancelled, ended, error_of, gathered, left, refused, side_by_side, skipped
from steps.scope import Outcome, Scope, Spot, Undo
from steps.work import NOT_NEEDED, Work, below, inside

_DIED = "the process that ran it died: whether it had begun, and has ended, is not known"


class WasCancelled(asyncio.CancelledError):
    """The record says of whom, and what became of it; it may be one of an earlier life of the run."""

    def __init__(self, record: StepRecord) -> None:
        super().__init__()
        self.record = record


class Execution:
    """All executions of one step. Afterwards the records of the steps inside it are in the surroundings."""

    def __init__(self, work: Work, frame: Frame) -> None:
        self._work = work
        self._frame = frame
        self._steps = frame.surroundings.steps
        self._halt = frame.surroundings.halt
        self._journal = frame.surroundings.journal

    async def run(self) -> StepRecord:
        """To the end, whatever happens on the way."""
        begun = now()
        self._steps[self._work.id] = StepRecord(status="running", started_at=begun)
        if not self._work.fans_out:
            return await self._only_once()
        scope = self._frame.scope(self._work.id)
        try:
            spots = self._work.executions(scope)
        except StepFailed as failure:
            self.leave("failed")
            return self._told(scope, refused(failure, scope, begun))
        if not spots:
            self.leave("skipped")
            return self._told(scope, StepRecord(status="skipped", started_at=begun, ended_at=now()))
        records = await self._fan_out(spots)
        self._journal.all_ended(scope.key)
        return gathered(records, begun)

    @property
    def id(self) -> str:
        """The step's id."""
        return self._work.id

    def cancelled(self) -> StepRecord:
        """The record of a step that was cancelled before its first moment."""
        scope = self._frame.scope(self._work.id)
        self.leave("cancelled")
        return self._told(scope, cancelled(scope))

    def left_out(self, record: StepRecord) -> None:
        """The step ended without having run."""
        self._told(self._frame.scope(self._work.id), record)
        self.leave(record.status)

    def leave(self, status: StepStatus, ran: Container[str] = ()) -> None:
        """The step ended so: what becomes of the steps inside it that it did not come to."""
        for work in self._inside():
            if work.id in ran:
                continue
            scope = self._frame.scope(work.id)
            record = self._steps[work.id] = left(scope, status, self.id)
            if work.perform is not None:
                _tell_end(scope, record)

    async def _only_once(self) -> StepRecord:
        scope = self._frame.scope(self._work.id)
        try:
            record = await self._execute(scope)
        finally:
            self._steps.update(scope.inner)
        self.leave(record.status, scope.inner)
        return record

    async def _fan_out(self, spots: Sequence[Spot]) -> list[StepRecord]:
        """Every execution runs, whatever becomes of the others."""
        places = asyncio.Semaphore(self._work.max_parallel or len(spots))
        scopes = [self._frame.scope(self._work.id, spot) for spot in spots]
        records = list(map(cancelled, scopes))

        async def one(index: int) -> None:
            async with places:
                if self._halt.called:
                    records[index] = self._told(scopes[index], skipped(scopes[index]))
                else:
                    records[index] = await self._execute(scopes[index])

        with suppress(asyncio.CancelledError):  # the records say what was cancelled
            async with asyncio.TaskGroup() as group:
                for index in range(len(spots)):
                    group.create_task(one(index))
        self._gather_inner(scopes, records, spots)
        return records

    def _gather_inner(
        self, scopes: Sequence[Scope], records: Sequence[StepRecord], spots: Sequence[Spot]
    ) -> None:
        """What ran inside an execution is an item of the record of the step that it was."""
        for work in self._inside():
            inner = [
                scope.inner.get(work.id) or left(scope.of(work.id), record.status, self.id)
                for scope, record in zip(scopes, records, strict=True)
            ]
            self._steps[work.id] = side_by_side(inner, spots)
        for work in self._handlers():
            handled = [scope.inner.get(work.id) or NOT_NEEDED for scope in scopes]
            self._steps[work.id] = side_by_side(handled, spots)

    def _inside(self) -> list[Work]:
        return list(inside(self._work.inner.works)) if self._work.inner else []

    def _handlers(self) -> Iterator[Work]:
        """All steps that run inside an execution only because of what others did there."""
        yield from below(self._work.on_error.steps.works if self._work.on_error else ())
        for work in self._inside():
            yield from below(work.handlers())

    async def _execute(self, scope: Scope) -> StepRecord:
        """One execution: its own `when`, all its tries and repeats, and what is done about its failure."""
        begun = now()
        try:
            if self._work.when is not None and not scope.evaluate(self._work.when):
                return self._told(scope, ended(scope, "skipped", begun))
            record = await self._handled(scope, await self._tried(scope, begun))
        except StepFailed as failure:
            record = ended(scope, "failed", begun, error=error_of(scope, failure.message))
        except WasCancelled as before:
            record = before.record
        except asyncio.CancelledError:
            record = _cancelled(scope, begun)
        if self._work.perform is None or self._work.on_error is not None:
            self._journal.ended(scope.key, record.status, tried=self._work.perform is not None)
        if record.status == "succeeded" and record.error is None and self._work.rollback is not None:
            scope.surroundings.undos.pop(scope.identity, None)  # a step that ran again was done now
            number = self._journal.number(scope.key)
            scope.surroundings.undos[scope.identity] = Undo(self._work.rollback, scope, number)
        return self._told(scope, record)

    async def _tried(self, scope: Scope, begun: datetime) -> StepRecord:
        if (past := self._past(scope)) is not None:
            return self._as_before(scope, past)
        if self._work.perform is None:
            return (await self._judged(scope, begun))[0]
        if self._halt.closed and not self._journal.is_to_end(scope.key):
            if self._journal.died:
                scope.unconfirmed = _DIED
            raise asyncio.CancelledError
        record: StepRecord | None = None
        stops = False
        try:
            if self._work.idempotent:
                await self._journal.held()
            else:
                with present().counting():
                    await self._journal.begin(scope.key)
            scope.tell("started")
            record, stops = await self._judged(scope, begun)
        except StepFailed as failure:
            record = ended(scope, "failed", begun, error=error_of(scope, failure.message))
        except asyncio.CancelledError as cancellation:
            record = _cancelled(scope, begun)
            raise WasCancelled(record) from cancellation
        finally:
            self._journal.tried(scope.key, record or _cancelled(scope, begun), stops=stops)
        return record

    def _past(self, scope: Scope) -> Entry | None:
        past = self._journal.past(scope.key)
        while self._halt.insists and past is not None and past.record and past.record.status == "cancelled":
            past = self._journal.past(scope.key)
        return past

    def _as_before(self, scope: Scope, past: Entry) -> StepRecord:
        """What an execution that has ended in an earlier life of the run gives, which is not done again."""
        if past.record is None:
            message = why_lost(scope, undone=past.status is not None)
            return ended(scope, "lost", past.time, error=error_of(scope, message))
        if past.record.status == "cancelled":
            raise WasCancelled(past.record)
        if past.stops:
            self._halt.call()
        return past.record

    async def _judged(self, scope: Scope, begun: datetime) -> tuple[StepRecord, bool]:
        """The record of all tries and repeats, and whether they end the run."""
        try:
            outcome = await self._repeated(scope)
        except StepFailed as failure:
            status: StepStatus = "lost" if isinstance(failure, InnerLost) else "failed"
            return ended(scope, status, begun, Outcome(failure.result), _cause(scope, failure)), False
        except Exception as error:  # noqa: BLE001 - a step must not take the run with it
            message = f"{type(error).__name__}: {error}"
            return ended(scope, "failed", begun, error=error_of(scope, message)), False
        if outcome.stops:
            self._halt.call()
        return ended(scope, "succeeded", begun, outcome), outcome.stops

    async def _repeated(self, scope: Scope) -> Outcome:
        repeat = self._work.repeat
        if repeat is None:
            return await self._round(scope)
        condition = repeat.until if repeat.until is not None else repeat.while_
        for round in range(1, repeat.max + 1):
            outcome = await self._round(scope)
            holds = self._holds(str(condition), scope, outcome)
            if outcome.stops or self._halt.called or holds == (repeat.until is not None):
                return outcome
            if round < repeat.max and not scope.was_done_again(work.id for work in self._inside()):
                scope.tell(
                    "retrying", text=f"round {round + 1} of at most {repeat.max} in {repeat.delay:.3g}s"
                )
                await present().sleep(repeat.delay)
                await self._journal.held()
        still = "not yet true" if repeat.until is not None else "still true"
        raise StepFailed(f"repeat: {condition!r} was {still} after {repeat.max} rounds", outcome.result)

    def _holds(self, condition: str, scope: Scope, outcome: Outcome) -> bool:
        try:
            return bool(scope.evaluate(condition, result=outcome.result))
        except StepFailed as failure:
            raise StepFailed(failure.message, outcome.result) from failure

    async def _round(self, scope: Scope) -> Outcome:
        if self._work.perform is not None:
            with present().work():
                return await self._work.perform(scope)
        assert self._work.inner is not None  # noqa: S101 - the driver opens frames and carries out the rest
        return await self._work.inner(scope)

    async def _handled(self, scope: Scope, record: StepRecord) -> StepRecord:
        """The record after the step's own failure handlers, where it has some and they apply."""
        handlers = self._work.on_error
        if handlers is None or record.error is None or record.status == "lost":
            return record
        scope.error = record.error
        scope.inner[self._work.id] = record
        try:
            if handlers.when is not None and not scope.evaluate(handlers.when):
                return record
            await handlers.steps(scope, record.error)
        except StepFailed as failure:
            said = _adding(record, record.error, f"its on_error failed, too: {failure.message}")
            return said.model_copy(update={"status": "lost"}) if isinstance(failure, InnerLost) else said
        except asyncio.CancelledError:
            return _adding(record, record.error, "its on_error was cancelled")
        finally:
            del scope.inner[self._work.id]
        return record.model_copy(update={"status": "succeeded"}) if handlers.recover else record

    def _told(self, scope: Scope, record: StepRecord) -> StepRecord:
        return record if self._work.perform is None else _tell_end(scope, record)


def _cancelled(scope: Scope, begun: datetime) -> StepRecord:
    """The record of an execution that is being cancelled."""
    return ended(scope, "cancelled", begun, error=error_of(scope, scope.when_cancelled))


def _tell_end(scope: Scope, record: StepRecord) -> StepRecord:
    scope.tell("ended", status=record.status, text=record.error.message if record.error else "")
    return record


def _adding(record: StepRecord, error: StepError, what: str) -> StepRecord:
    said = error.model_copy(update={"message": f"{error.message}; {what}"})
    return record.model_copy(update={"error": said})


def _cause(scope: Scope, failure: StepFailed) -> StepError:
    return failure.cause if isinstance(failure, InnerFailed) else error_of(scope, failure.message)
