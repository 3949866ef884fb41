"""Sends a workflow to Celery, once: under an id chosen before, recorded before sending."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from celery import Celery
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from celery_bridge.attendance import BROKER_AWAY, once_more
from celery_bridge.calling_off import withdraw
from celery_bridge.channel import Keys
from celery_bridge.clients import AWAY, Backend
from celery_bridge.counts import Tally
from celery_bridge.errors import EngineUnreachable
from celery_bridge.priorities import NORMAL, priority_for
from celery_bridge.settings import BridgeSettings
from celery_bridge.urls import masked
from codegen.workflow import Priority

RUN_WORKFLOW = "opsconductor.run_workflow"
AT_ONCE = 4
REACHED_WITHIN = 2.5
REACHED_FOR = 1.0
SENT_WITHIN = 15.0
CONFIRMED_WITHIN = 4.0


@dataclass(frozen=True, slots=True)
class Submission:
    """A workflow to be run: the document, values for its parameters, its targets, and the id of the run.

    `again`: it may have been sent before. If that try is over, this is another one, which keeps what
    succeeded, except for `again_from` and what comes after that.
    """

    document: Mapping[str, Any]
    parameters: Mapping[str, Any]
    targets: Sequence[str]
    run_id: str
    again: bool = False
    again_from: str | None = None
    began: datetime | None = None
    """When it began first."""

    def queue(self, settings: BridgeSettings) -> str:
        """The queue that the document asks for, else the usual one."""
        return str(self.document.get("queue") or settings.queue)

    @property
    def priority(self) -> Priority:
        """Before or after which others it is to be taken."""
        priority: Priority = self.document.get("priority", NORMAL)
        return priority


class Sender:
    """Sends submissions for one set of settings. Celery's own calls block, so they run in threads.

    Their own threads: where all others are busy, a broker that answers must not look as if it didn't.
    """

    def __init__(self, settings: BridgeSettings, app: Celery, backend: Backend) -> None:
        self._settings = settings
        self._app = app
        self._backend = backend
        self._threads = ThreadPoolExecutor(AT_ONCE, "celery-bridge")
        self._places = asyncio.Semaphore(AT_ONCE)
        self._reached_at = -REACHED_FOR

    async def keys(self, submission: Submission) -> Keys:
        """The names of the try of the run that this is."""
        first = Keys(submission.run_id)
        if not submission.again:
            return first
        return replace(first, attempt=int(await self._ask(lambda redis: redis.get(first.over)) or 0) + 1)

    async def seen_to_end(self, keys: Keys) -> None:
        """What is sent under the same id from now on is another try.

        That one needs the journal. Of the events the last word is enough, for late copies of the message and
        for who sends the same try once more.
        """

        def say(pipeline: Pipeline) -> None:
            pipeline.set(keys.over, keys.attempt, ex=self._settings.ttl)
            pipeline.expire(keys.journal, self._settings.ttl)  # which that try begins with
            pipeline.xtrim(keys.events, maxlen=1, approximate=False)

        await self._ask_all(say)

    async def send(self, submission: Submission, keys: Keys) -> bool:
        """Send unless it was sent before; whether it was sent now. EngineUnreachable: nothing was sent.

        One whose sending was begun and not seen to end is sent again: workers run a run only once.
        """
        async with self._places:
            await self._reached()
            if not await self._mark(keys):
                return False
            forgotten = _age(submission) > self._settings.ttl and not await self._is_known(keys)
            try:
                await self._in_thread(
                    lambda: self._send(submission, keys, forgotten=forgotten), within=SENT_WITHIN
                )
            except EngineUnreachable:
                if await self._has_begun(keys):
                    return True
                raise
            with suppress(EngineUnreachable):  # then it may be sent once more, which does no harm
                await self._note_sent(submission, keys)
            return True

    async def send_again(self, submission: Submission, keys: Keys) -> None:
        """Send it once more under the same id, for another worker to go on with."""
        async with self._places:
            await self._in_thread(lambda: self._send(submission, keys, forgotten=False), within=SENT_WITHIN)

    async def revoke(self, keys: Keys) -> None:
        """Have the message dropped where it waits, and the process told that runs it."""
        revoke = partial(self._app.control.revoke, keys.task_id, terminate=True, signal="SIGTERM")
        async with self._places:
            await self._in_thread(lambda: once_more(revoke), within=REACHED_WITHIN)

    async def _note_sent(self, submission: Submission, keys: Keys) -> None:
        """Record that it was sent, and count it."""
        count = Tally("submitted", submission.queue(self._settings))

        def note(pipeline: Pipeline) -> None:
            pipeline.set(keys.sent, "sent", ex=self._settings.ttl)
            count.add(pipeline)

        noted, _ = await self._ask_all(note)
        if isinstance(noted, Exception):
            raise unreachable("result backend", self._settings.result_backend, noted)

    async def _mark(self, keys: Keys) -> bool:
        """Record that it is being sent; false when it was sent before, and not withdrawn since."""
        ttl = self._settings.ttl
        first = await self._ask(lambda redis: redis.set(keys.sent, "sending", ex=ttl, nx=True))
        if first:
            return True
        sent, cancel = await self._ask(lambda redis: redis.mget(keys.sent, keys.cancel))
        if cancel == "withdrawn":
            await self._ask(lambda redis: redis.delete(keys.cancel))
            return True
        return bool(sent != "sent")

    async def _has_begun(self, keys: Keys) -> bool:
        """Whether a message runs of which the broker did not say that it has it. If not it never will."""
        with suppress(*AWAY):
            return not await withdraw(self._backend, keys, self._settings.ttl)
        return False

    async def _is_known(self, keys: Keys) -> bool:
        """Whether it is known what tries of the run did that were sent long ago, and may have begun."""
        return bool(await self._ask(lambda redis: redis.exists(keys.journal)))

    async def _reached(self) -> None:
        """See that the broker answers, unless it did so a moment ago."""
        now = asyncio.get_running_loop().time()
        if now - self._reached_at > REACHED_FOR:
            await self._in_thread(self._reach, within=REACHED_WITHIN)
            self._reached_at = now

    def _reach(self) -> None:
        with self._app.producer_pool.acquire(block=True, timeout=REACHED_WITHIN) as producer:
            producer.connection.ensure_connection(max_retries=1, interval_start=0.1, timeout=REACHED_WITHIN)

    def _send(self, submission: Submission, keys: Keys, *, forgotten: bool) -> None:
        arguments: dict[str, Any] = {
            "document": submission.document,
            "parameters": submission.parameters,
            "targets": list(submission.targets),
            "run_id": submission.run_id,
        }
        if keys.attempt > 1:
            arguments |= {"attempt": keys.attempt, "again_from": submission.again_from}
        if forgotten:
            arguments["forgotten"] = True
        self._app.send_task(
            RUN_WORKFLOW,
            kwargs=arguments,
            task_id=keys.task_id,
            queue=submission.queue(self._settings),
            priority=priority_for(self._settings.broker_url, submission.priority),
            # So that no message outlives the key that says it was cancelled.
            expires=self._settings.ttl,
            # Of the result, Celery's own copy would cost as much as the report itself: four questions to
            # Redis for each run. Who sends the task without us gets it.
            ignore_result=True,
            # After its restart a RabbitMQ may never confirm what came before the queue was there again. It is
            # sent once more then, over a new connection; workers run a run only once.
            confirm_timeout=CONFIRMED_WITHIN,
            argsrepr="()",
            kwargsrepr=f"{{'run_id': {submission.run_id!r}}}",
        )

    async def _in_thread(self, work: Callable[[], Any], within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except BROKER_AWAY as error:
            raise unreachable("broker", self._settings.broker_url, error) from None

    async def _ask(self, question: Callable[[Redis], Awaitable[Any]]) -> Any:
        try:
            return await self._backend.ask(question)
        except AWAY as error:
            raise unreachable("result backend", self._settings.result_backend, error) from None

    async def _ask_all(self, questions: Callable[[Pipeline], object]) -> list[Any]:
        try:
            return await self._backend.ask_all(questions)
        except AWAY as error:
            raise unreachable("result backend", self._settings.result_backend, error) from None


def _age(submission: Submission) -> float:
    """Seconds since it may have been sent before; none where this is the first time."""
    if not submission.again or submission.began is None:
        return 0.0
    return (datetime.now(UTC) - submission.began).total_seconds()


def unreachable(what: str, url: str, error: Exception) -> EngineUnreachable:
    """The error for a server that can't be reached."""
    cause = masked(str(error)).rstrip(".") or "no answer in time"
    return EngineUnreachable(
        f"The {what} {masked(url)} can't be reached: {cause}. Start it (`opsconductor up` starts the "
        "built-in one), or set OPSCONDUCTOR_BROKER_URL and OPSCONDUCTOR_RESULT_BACKEND to yours."
    )
