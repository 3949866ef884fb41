"""Runs one workflow in a worker: claims it, interprets it, tells what happens, and reports."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from celery_bridge.background import alongside
from celery_bridge.channel import Keys, Refusal
from celery_bridge.clients import Backend
from celery_bridge.lease import Lease
from celery_bridge.never_started import never_started
from celery_bridge.prefect_secrets import blocks_of_prefect
from celery_bridge.publisher import Publisher
from celery_bridge.settings import BridgeSettings
from celery_bridge.termination import Termination
from codegen.document import parse
from codegen.result import Report
from steps.interpreter import interpret
from steps.secret_values import Secrets, usual_lookups

Verdict = Literal["succeeded", "failed", "cancelled", "withdrawn", "over", "superseded"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a message asks for."""

    document: Mapping[str, Any]
    parameters: Mapping[str, Any]
    targets: Sequence[str]
    run_id: str


async def host(
    assignment: Assignment, settings: BridgeSettings, worker: str, termination: Termination
) -> Verdict:
    """Run it unless it is over, withdrawn, cancelled or another process is at it. Raises what hinders it."""
    keys = Keys(assignment.run_id)
    async with Backend(settings.result_backend) as backend:
        lease = Lease(backend, keys, token=uuid4().hex)
        taken = await lease.take()
        if taken.verdict in ("over", "withdrawn"):
            return taken.verdict
        publisher = Publisher(backend, keys, taken.epoch, settings.ttl)
        if taken.verdict == "cancelled":
            await publisher.finish(never_started(assignment.document))
            return "cancelled"
        publisher.claim(worker)
        return await _perform(assignment, lease, publisher, termination)


async def _perform(
    assignment: Assignment, lease: Lease, publisher: Publisher, termination: Termination
) -> Verdict:
    async with alongside(publisher.run()):
        try:
            report = await _interpreted(assignment, lease, publisher, termination)
        except BaseException as error:
            await publisher.finish(Refusal(f"{type(error).__name__}: {error}"))
            raise
        if lease.superseded:
            return "superseded"
        await publisher.finish(report)
        return _verdict(report)


async def _interpreted(
    assignment: Assignment, lease: Lease, publisher: Publisher, termination: Termination
) -> Report:
    run = interpret(
        parse(assignment.document),
        run_id=assignment.run_id,
        parameters=assignment.parameters,
        targets=assignment.targets,
        listener=publisher.tell,
        secrets=Secrets(*usual_lookups(), *blocks_of_prefect()),
    )
    loop = asyncio.get_running_loop()
    termination.call(lambda: loop.call_soon_threadsafe(run.cancel))
    async with alongside(lease.keep(run.cancel)):
        return await run.run()


def _verdict(report: Report) -> Verdict:
    if report.cancelled:
        return "cancelled"
    return "succeeded" if report.success else "failed"
