"""Sends a case to a Celery worker that pretends its steps."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from time import monotonic
from uuid import uuid4

from redis.asyncio import Redis

from celery_bridge.channel import Keys
from celery_bridge.clients import Backend
from celery_bridge.remote import link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from codegen.document import canonical
from flows.endings import why
from rehearsal.course import Course
from rehearsal.form import LaterLife, Life
from rehearsal.reading import Rehearsal
from rehearsal.stages import RehearsedRun
from rehearsal.verdicts import Verdict, differences
from steps.testing import Recorder
from tests.conformance.cases import BEHAVIOUR


async def judged_remotely(rehearsal: Rehearsal, settings: BridgeSettings) -> Verdict:
    """Run all lives of a case on the worker and compare."""
    begun, run_id = monotonic(), str(uuid4())
    lives = list(rehearsal.case.lives.values())
    courses: list[Course] = []
    tries: dict[str, int] = {}
    if lives[0].expect.died:
        courses.append(await _died_here(rehearsal, run_id, settings, tries))
        lives[1] = lives[1].model_copy(update={"leaves": {**lives[0].leaves, **lives[1].leaves}})
    for life in lives[len(courses) :]:
        courses.append(await _lived_there(rehearsal, life, run_id, settings, tries, again=bool(courses)))
    return Verdict(rehearsal, "celery", differences(rehearsal, courses), monotonic() - begun)


async def _lived_there(
    rehearsal: Rehearsal,
    life: Life,
    run_id: str,
    settings: BridgeSettings,
    tries: Mapping[str, int],
    *,
    again: bool,
) -> Course:
    recorder = Recorder()
    leaves = life.model_dump(mode="json", include={"leaves"}, exclude_unset=True).get("leaves", {})
    metadata = {BEHAVIOUR: {"leaves": leaves, "tries": tries}}
    again_from = life.from_ if isinstance(life, LaterLife) else None
    sent = Submission(
        {**canonical(rehearsal.workflow), "metadata": metadata},
        rehearsal.case.parameters,
        rehearsal.targets,
        run_id,
        again=again,
        again_from=again_from,
    )
    report = await run_remotely(link_to(settings), sent, recorder)
    return Course(report, why(report), tuple(recorder.events))


async def _died_here(
    rehearsal: Rehearsal, run_id: str, settings: BridgeSettings, tries: dict[str, int]
) -> Course:
    """The first life, in this process; what it wrote is where the worker finds it that goes on.

    There it is a second try: of a first one a worker reads the journal only once it takes over a lease.
    """
    first = RehearsedRun(rehearsal, "celery", run_id=run_id)
    course = await asyncio.to_thread(first.live, rehearsal.case)
    first.actors.in_another_life(rehearsal.case.then[0].leaves)
    tries.update(first.actors.tries)
    keys = Keys(run_id)
    async with Backend(settings.result_backend) as backend:
        for entry in first.entries:
            written = json.dumps(replace(entry, attempt=2).to_json())
            await backend.ask(partial(_written, keys.journal, written))
        await backend.ask(lambda redis: redis.set(keys.over, 1))
    return course


async def _written(journal: str, entry: str, redis: Redis) -> None:
    await redis.xadd(journal, {"entry": entry})
