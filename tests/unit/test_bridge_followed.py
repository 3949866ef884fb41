"""Where a followed run stands, from what was read and when."""

import json
from logging import WARNING
from typing import Any

import pytest

from celery_bridge.channel import Claim, Entry, Keys, Refusal, written
from celery_bridge.errors import EngineFailed, WorkerLost
from celery_bridge.followed import (
    BELIEVED_AFTER,
    FIRST_SWEEP,
    LAST_SWEEP,
    SENT_AGAIN_AFTER,
    TOLD_AFTER,
    Followed,
    no_notice,
)
from codegen.result import Report
from steps.events import Event, now

LOST_AFTER = 60.0


class Follows:
    """A followed run, and what was told of it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.notices: list[str] = []
        self.run = Followed(Keys("r"), self.events.append, self._hear, LOST_AFTER)
        self.told: list[str] = []
        self._count = 0

    def _hear(self, text: str, level: int) -> None:
        (self.notices if level >= WARNING else self.told).append(text)

    def take(self, *entries: Entry) -> None:
        for entry in entries:
            self._count += 1
            self.run.take([(f"100-{self._count}", written(entry))])

    def error(self) -> str:
        assert isinstance(self.run.report.exception(), EngineFailed)
        return str(self.run.report.exception())


def report() -> Report:
    return Report(success=True, start_time=now(), end_time=now())


def celery(state: str, result: Any = None) -> str:
    return json.dumps({"status": state, "result": result})


async def test_it_begins_tells_and_ends() -> None:
    """A claim, events in order, a report; reading goes on after the last entry."""
    follows = Follows()
    assert not follows.run.began.is_set()
    event = Event("started", "a")
    end = report()
    follows.take(Claim("w"), event, end)
    assert follows.run.began.is_set()
    assert follows.told == ["Received by w"]
    assert follows.events == [event]
    assert await follows.run.ended() == end
    assert follows.run.next_id == "100-4"


async def test_a_refusal_is_an_error() -> None:
    """In the worker's words."""
    follows = Follows()
    follows.take(Claim("w"), Refusal("no such step"))
    assert "no such step" in follows.error()


async def test_a_second_claim_is_a_rerun() -> None:
    """It is said, and the run goes on."""
    follows = Follows()
    follows.take(Claim("one"), Claim("two"))
    assert len(follows.notices) == 1
    assert "two goes on with the workflow" in follows.notices[0]
    assert not follows.run.report.done()


async def test_a_listener_that_fails_ends_only_its_own_run() -> None:
    """Its error is what the follower of this run gets."""

    def broken(event: Event) -> None:
        raise LookupError("mine")

    run = Followed(Keys("r"), broken, no_notice, LOST_AFTER)
    run.take([("1-1", written(Event("started", "a")))])
    with pytest.raises(LookupError, match="mine"):
        await run.ended()


async def test_silence_after_the_beginning_is_loss() -> None:
    """Only without a lease, without interruption, and for long enough."""
    follows = Follows()
    follows.take(Claim("w"))
    follows.run.judge(leased=False, now=0)
    follows.run.judge(leased=True, now=LOST_AFTER - 1)
    follows.run.judge(leased=False, now=LOST_AFTER)
    follows.run.judge(leased=False, now=2 * LOST_AFTER - 1)
    assert not follows.run.report.done()
    follows.run.judge(leased=False, now=2 * LOST_AFTER)
    assert "no sign of life for 60 s" in follows.error()
    assert isinstance(follows.run.report.exception(), WorkerLost)


async def test_silence_is_told_of_before_it_is_loss() -> None:
    """Once; and again only after another sign of life."""
    follows = Follows()
    follows.take(Claim("w"))
    for moment in (0.0, TOLD_AFTER, TOLD_AFTER + 1):
        follows.run.judge(leased=False, now=moment)
    assert len(follows.notices) == 1
    assert "no sign of life" in follows.notices[0]
    follows.run.judge(leased=True, now=20.0)
    for moment in (21.0, 21.0 + TOLD_AFTER):
        follows.run.judge(leased=False, now=moment)
    assert len(follows.notices) == 2


async def test_a_message_is_sent_again_as_often_as_it_gets_lost() -> None:
    """The worker that got the last one may have died, too. Whoever claims the run ends that."""
    follows = Follows()
    follows.take(Claim("w"))
    follows.run.judge(leased=False, now=0)
    for times in (1, 2):
        assert not follows.run.orphaned.is_set()
        follows.run.judge(leased=False, now=times * SENT_AGAIN_AFTER)
        assert follows.run.orphaned.is_set()
        follows.run.orphaned.clear()
        follows.run.judge(leased=False, now=times * SENT_AGAIN_AFTER + 1)
    follows.take(Claim("x"))
    follows.run.judge(leased=True, now=3 * SENT_AGAIN_AFTER)
    assert not follows.run.orphaned.is_set()


async def test_time_without_the_server_counts_nothing() -> None:
    """Nobody can show a sign of life while Redis is away."""
    follows = Follows()
    follows.take(Claim("w"))
    follows.run.judge(leased=False, now=0)
    follows.run.out_of_reach(now=LOST_AFTER)
    follows.run.judge(leased=False, now=LOST_AFTER + 1)
    assert not follows.run.report.done()


async def test_a_run_that_has_not_begun_is_never_lost() -> None:
    """It waits in the queue, however long."""
    follows = Follows()
    follows.run.judge(leased=False, now=0)
    follows.run.judge(leased=False, now=100 * LOST_AFTER)
    assert not follows.run.report.done()


@pytest.mark.parametrize("state", ["FAILURE", "REVOKED"])
async def test_celerys_word_is_believed_after_a_while(state: str) -> None:
    """A task that ends while the backend is away reads as failed for a moment; its report still counts."""
    early, late = Follows(), Follows()
    for follows in (early, late):
        follows.run.judge(leased=False, now=0)
        follows.run.hear(celery(state, {"exc_type": "Boom", "exc_message": ["it", "broke"]}), now=10)
        follows.run.judge(leased=False, now=10 + BELIEVED_AFTER / 2)
        assert not follows.run.report.done()
    early.take(report())
    early.run.judge(leased=False, now=100)
    assert early.run.report.result().success
    late.run.judge(leased=False, now=10 + BELIEVED_AFTER)
    assert "Boom: it broke" in late.error()


async def test_celerys_word_counts_nothing_while_a_process_is_at_it() -> None:
    """A spurious state, or a revoked run that is cleaning up."""
    follows = Follows()
    follows.run.hear(celery("REVOKED"), now=0)
    follows.run.judge(leased=True, now=100)
    assert not follows.run.report.done()


async def test_a_later_state_takes_the_word_back() -> None:
    """Celery may send a failed task again."""
    follows = Follows()
    follows.run.judge(leased=False, now=0)
    follows.run.hear(celery("FAILURE"), now=0)
    follows.run.hear(celery("STARTED"), now=1)
    follows.run.judge(leased=False, now=50)
    assert not follows.run.report.done()


async def test_an_unregistered_task_says_what_to_do() -> None:
    """The worker lacks the module."""
    follows = Follows()
    follows.run.judge(leased=False, now=0)
    follows.run.hear(celery("FAILURE", {"exc_type": "NotRegistered", "exc_message": ["x"]}), now=0)
    follows.run.judge(leased=False, now=BELIEVED_AFTER)
    assert "-I celery_bridge.tasks" in follows.error()


@pytest.mark.parametrize("payload", ["", "\x80\x04", "[]", "3", '"FAILURE"'])
async def test_results_in_other_formats_are_no_matter(payload: str) -> None:
    """An app of somebody's may pickle its results; the stream tells enough."""
    follows = Follows()
    follows.run.hear(payload, now=0)
    follows.run.judge(leased=False, now=0)
    follows.run.judge(leased=False, now=1000)
    assert not follows.run.report.done()


async def test_sweeps_grow_rare_while_nothing_is_missed() -> None:
    """Soon at first, every 5 s in the end; soon again once one finds what no wake-up announced."""
    follows = Follows()
    pauses = []
    for _ in range(8):
        follows.run.swept(found=False, now=0)
        pauses.append(follows.run.sweep_at)
    assert pauses == sorted(pauses)
    assert pauses[-1] == LAST_SWEEP
    follows.run.swept(found=True, now=0)
    assert follows.run.sweep_at == FIRST_SWEEP


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([1, 2, 3], []),
        ([1, 4], [2]),
        ([3, 4], [2]),
        ([1, 2, 1, 2], []),
        ([0, 0], []),
        ([1, 2, 5, 9], [2, 3]),
    ],
)
async def test_what_the_stream_lost_is_told(numbers: list[int], missing: list[int]) -> None:
    """Another process that goes on counts anew, and old workers don't count."""
    follows = Follows()
    for place, number in enumerate(numbers):
        follows.run.take([(f"100-{place}", written(Event("line", "a"), number))])
    said = [f"… {count} events left out: they came faster than they were read" for count in missing]
    assert follows.notices == said
    assert len(follows.events) == len(numbers)


async def test_it_began_where_it_tells_something() -> None:
    """Its claim may have gone from a stream that could not hold everything."""
    follows = Follows()
    follows.take(Event("line", "a"))
    assert follows.run.began.is_set()
