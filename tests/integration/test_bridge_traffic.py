"""What goes between the bridge and its Redis: as little as can be, and nothing twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from redis.asyncio.client import Pipeline
from redis.client import PubSub
from redis.exceptions import ResponseError

from celery_bridge import kept
from celery_bridge.background import alongside
from celery_bridge.channel import Keys
from celery_bridge.clients import AWAY, Backend
from celery_bridge.counts import KEY, Tally, counts_of_end, tallies
from celery_bridge.follower import Follower
from celery_bridge.joint import JointBackend
from celery_bridge.lease import Lease
from celery_bridge.publisher import Publisher
from celery_bridge.settings import BridgeSettings
from codegen.result import Report
from steps.events import Event, now
from tests.unit.waiting import wait_until

REPORT = Report(success=True, start_time=now(), end_time=now())


@pytest.fixture
async def joint(redis_url: str) -> AsyncIterator[JointBackend]:
    """A connection for many."""
    async with JointBackend(redis_url) as backend:
        yield backend


async def test_who_asks_together_gets_their_own_answers(joint: JointBackend) -> None:
    """However many there are, each is told what they asked; and of an error only who made it."""
    key = str(uuid4())

    def many(number: int) -> Any:
        def ask(pipeline: Pipeline) -> None:
            pipeline.hset(key, str(number), str(number * number))
            pipeline.hget(key, str(number))

        return ask

    await joint.ask(lambda redis: redis.hset(key, "is", "no number"))
    wrong = joint.ask(lambda redis: redis.incrby(key, 1))
    each = [joint.ask_all(many(number)) for number in range(500)]
    first, error, *answers = await asyncio.gather(
        joint.ask(lambda redis: redis.ping()), wrong, *each, return_exceptions=True
    )
    assert first is True
    assert isinstance(error, ResponseError)
    assert answers == [[1, str(number * number)] for number in range(500)]


async def test_questions_travel_together(joint: JointBackend, redis_url: str) -> None:
    """Those who come while an answer is awaited share the next way there and back."""
    ways = 0
    usual = joint._in_turn

    async def counted(question: Any) -> Any:
        nonlocal ways
        ways += 1
        return await usual(question)

    joint._in_turn = counted  # type: ignore[method-assign]
    await asyncio.gather(*(joint.ask(lambda redis: redis.ping()) for _ in range(150)))
    assert ways <= 2


async def test_who_waits_no_more_hinders_nobody(joint: JointBackend) -> None:
    """What they asked is not asked any more, and the others get their answers."""
    key = str(uuid4())
    others = [asyncio.create_task(joint.ask(lambda redis: redis.ping())) for _ in range(3)]
    gone = asyncio.create_task(joint.ask(lambda redis: redis.set(key, "1")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await asyncio.gather(*others) == [True, True, True]
    assert await joint.ask(lambda redis: redis.get(key)) is None
    assert gone.cancelled()


async def test_a_server_that_is_away_is_an_error_for_all() -> None:
    """Nobody waits for an answer that doesn't come."""
    joint = JointBackend("redis://127.0.0.1:1/0")
    asked = (joint.ask(lambda redis: redis.ping()) for _ in range(3))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(answer, AWAY) for answer in answers] == [True, True, True]


def test_a_process_keeps_its_connection(redis_url: str) -> None:
    """Unless a run leaves one of its own open, which ends with it."""

    async def looks(backend: Backend) -> tuple[object, int]:
        return asyncio.get_running_loop(), await backend.ask(lambda redis: redis.client_id())

    async def listens(backend: Backend) -> None:
        await looks(backend)
        await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)

    first = kept.run(redis_url, looks)
    assert kept.run(redis_url, looks) == first
    with pytest.warns(ResourceWarning, match="unclosed"):
        kept.run(redis_url, lambda backend: listens(backend))
    assert kept.run(redis_url, looks)[1] > first[1]
    with pytest.raises(ZeroDivisionError):
        kept.run(redis_url, lambda _: asyncio.sleep(1 / 0))


async def test_a_follower_sleeps_while_nothing_happens(redis_url: str) -> None:
    """Also once the run is gone whose sweep would have been the next."""
    follower = Follower(BridgeSettings.of(redis_url))
    turns = 0
    usual = follower._look

    async def counted() -> None:
        nonlocal turns
        turns += 1
        await usual()

    follower._look = counted  # type: ignore[method-assign]
    loop = asyncio.get_running_loop()
    async with follower.watching(Keys(str(uuid4()))) as stays:
        await wait_until(lambda: stays.sweep_at > loop.time() + 1)
        async with follower.watching(Keys(str(uuid4()))) as goes:
            await wait_until(lambda: goes.sweep_at > 0)
        planned = stays.sweep_at
        await wait_until(lambda: stays.sweep_at > planned)
    assert turns < 200


async def subscribed(heard: PubSub, keys: Keys) -> None:
    """Hear what is published of a run from now on."""
    heard.subscribe(keys.channel)
    await wait_until(lambda: heard.get_message() is not None)


async def test_a_step_that_is_over_at_once_is_one_message(redis_url: str) -> None:
    """With its start, the claim and the report: who follows the run looks once."""
    keys = Keys(str(uuid4()))
    with Redis.from_url(redis_url) as redis, redis.pubsub() as heard:
        await subscribed(heard, keys)
        async with Backend(redis_url) as backend:
            taken = await Lease(backend, keys, "mine", 60).take("worker")
            publisher = Publisher(backend, keys, taken.epoch, 60)
            publisher.tell(Event("started", "a"))
            publisher.tell(Event("ended", "a", status="succeeded"))
            await publisher.finish(REPORT)
        await wait_until(lambda: heard.get_message() is not None)
        assert redis.publish(keys.channel, "the next") == 1
        await wait_until(lambda: (said := heard.get_message()) is not None and said["data"] == b"the next")


async def test_a_claim_is_announced_when_there_is_nothing_else_to_tell(redis_url: str) -> None:
    """So that who follows a run hears at once that a worker has it."""
    keys = Keys(str(uuid4()))
    with Redis.from_url(redis_url) as redis, redis.pubsub() as heard:
        await subscribed(heard, keys)
        async with Backend(redis_url) as backend:
            taken = await Lease(backend, keys, "mine", 60).take("worker")
            async with alongside(Publisher(backend, keys, taken.epoch, 60).run()):
                await wait_until(lambda: heard.get_message() is not None)


async def test_an_end_is_counted_once(redis_url: str) -> None:
    """Also when it is sent again because the answer was lost, or when another process has the run."""
    queue = str(uuid4())
    keys = Keys(str(uuid4()))
    counts = counts_of_end(queue, "succeeded", 0.2)
    async with Backend(redis_url) as backend:
        for epoch in (7, 7, 6):
            await Publisher(backend, keys, epoch, 60).finish(REPORT, counts)
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        stored: Any = redis.hgetall(KEY)
        assert redis.xlen(keys.events) == 1
    found = {tally: amount for tally, amount in tallies(stored).items() if tally.queue == queue}
    assert found == counts
    assert found[Tally("ended", queue, "succeeded")] == 1
