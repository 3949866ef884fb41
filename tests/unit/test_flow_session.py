"""Cancelling what belongs to a run."""

import asyncio
import os
import signal

from flows.guard import terminable
from flows.session import Session
from tests.unit.waiting import wait_until


def test_work_is_cancelled_once_however_often_it_is_asked_for() -> None:
    """A second cancellation would end the clean-up that the first one began."""
    asked: list[str] = []
    session = Session("a")
    with session.cancels(lambda: asked.append("early")):
        session.cancel()
        session.cancel()
        with session.cancels(lambda: asked.append("late")):
            session.cancel()
    assert asked == ["early", "late"]


async def test_sigterm_cancels_while_the_block_runs() -> None:
    """Whoever listened for the signal before listens again afterwards."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        session = Session("a")
        with terminable(session):
            os.kill(os.getpid(), signal.SIGTERM)
            await wait_until(lambda: session.cancelled)
        assert not heard
        os.kill(os.getpid(), signal.SIGTERM)
        await wait_until(lambda: bool(heard))
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_a_thread_leaves_signals_to_others() -> None:
    """A run in a thread, as on the command line, goes on without a handler of its own."""

    def in_a_thread() -> bool:
        async def run() -> bool:
            with terminable(Session("a")):
                return True

        return asyncio.run(run())

    assert await asyncio.to_thread(in_a_thread)
