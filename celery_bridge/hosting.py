"""Runs one workflow in a worker: claims it, interprets it, tells what happens, and reports."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from celery_bridge.app_brokers import tasks_from_worker
from celery_bridge.background import alongside
from celery_bridge.channel import Keys, Refusal
from celery_bridge.clients import Backend
from celery_bridge.counts import Tally, counted, counts_of_end
from celery_bridge.deaths import one_death_too_many
from celery_bridge.lease import Lease
from celery_bridge.never_started import never_started
from celery_bridge.prefect_secrets import blocks_of_prefect
from celery_bridge.publisher import Publisher
from celery_bridge.run_journal import RunJournal, past_entries
from celery_bridge.settings import BridgeSettings
from celery_bridge.termination import Termination
from celery_bridge.user_tasks import UserTasks
from codegen.document import accepted, parse
from codegen.result import Report
from steps.entries import Entry
from steps.interpreter import interpret
from steps.journal import Journal
from steps.output_keeper import Outputs
from steps.output_storage import from_environment
from steps.secret_values import Secrets, usual_lookups

Verdict = Literal["succeeded", "failed", "cancelled", "withdrawn", "over", "held", "superseded", "given up"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a message asks for."""

    document: Mapping[str, Any]
    parameters: Mapping[str, Any]
    targets: Sequence[str]
    run_id: str
    attempt: int = 1
    again_from: str | None = None
    forgotten: bool = False

    @property
    def keys(self) -> Keys:
        """The names of this try of the run."""
        return Keys(self.run_id, self.attempt)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message was received: by which worker, from which queue."""

    worker: str
    queue: str


async def host(
    assignment: Assignment,
    settings: BridgeSettings,
    backend: Backend,
    place: Place,
    termination: Termination,
) -> Verdict:
    """Run it unless it is over, withdrawn, cancelled or another process is at it. Raises what hinders it."""
    keys = assignment.keys
    lease = Lease(backend, keys, token=uuid4().hex, ttl=settings.ttl)
    taken = await lease.take(place.worker, place.queue)
    if taken.verdict in ("over", "withdrawn", "held"):
        return taken.verdict
    publisher = Publisher(backend, keys, taken.epoch, settings.ttl)
    if taken.verdict == "cancelled":
        counts = {Tally("ended", place.queue, "cancelled"): 1}
        await publisher.finish(never_started(assignment.document), counts)
        return "cancelled"
    if taken.taken_over:
        if (error := await one_death_too_many(backend, keys, taken.epoch, settings.ttl)) is not None:
            await publisher.finish(Refusal(error), {Tally("ended", place.queue, "given_up"): 1})
            return "given up"
        await counted(backend, Tally("redelivered", place.queue).add)
    began = time.monotonic()
    past: list[Entry] = []
    if taken.taken_over or assignment.attempt > 1:
        past = await past_entries(backend, keys)
    if taken.to_end:
        past.append(Entry("cancel", assignment.run_id, assignment.attempt))
    journal = RunJournal(backend, keys, publisher, lease)
    life = _Life(assignment, lease, publisher, journal, past, tasks_from_worker(settings), place.queue, began)
    return await life.lived(termination)


@dataclass(frozen=True, slots=True)
class _Life:
    """What this process does of the run; `past` is what others did of it before."""

    assignment: Assignment
    lease: Lease
    publisher: Publisher
    journal: RunJournal
    past: list[Entry]
    celery: UserTasks
    queue: str
    began: float

    async def lived(self, termination: Termination) -> Verdict:
        """Run it to its end and report."""
        async with alongside(self.publisher.run()):
            try:
                report = await self._interpreted(termination)
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and self.lease.superseded:
                    return "superseded"  # it was left as it was: another process goes on with it
                await self.publisher.finish(Refusal(f"{type(error).__name__}: {error}"))
                raise
            if self.lease.superseded:
                return "superseded"
            verdict = _verdict(report)
            counts = counts_of_end(self.queue, verdict, time.monotonic() - self.began)
            await self.publisher.finish(report, counts)
            return verdict

    async def _interpreted(self, termination: Termination) -> Report:
        asked = self.assignment
        journal = Journal(
            asked.run_id,
            self.journal,
            self.past,
            attempt=asked.attempt,
            again_from=asked.again_from,
            forgotten=asked.forgotten and not self.past,
        )
        read = accepted if self.past else parse  # whoever sent it may not have checked it
        run = interpret(
            read(asked.document),
            run_id=asked.run_id,
            parameters=asked.parameters,
            targets=asked.targets,
            listener=self.publisher.tell,
            secrets=Secrets(*usual_lookups(), *blocks_of_prefect()),
            journal=journal,
            celery=self.celery,
            outputs=Outputs(from_environment()),
        )

        def end() -> None:
            if self.lease.superseded:
                journal.abandon()
            run.cancel()

        loop = asyncio.get_running_loop()
        termination.call(lambda: loop.call_soon_threadsafe(run.cancel))
        async with alongside(self.lease.keep(end)):
            return await run.run()


def _verdict(report: Report) -> Verdict:
    if report.cancelled:
        return "cancelled"
    return "succeeded" if report.success else "failed"
