"""What a process keeps from one run to the next: nothing that a run left behind."""

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from celery_bridge import kept
from celery_bridge.clients import Backend

NOWHERE = "redis://127.0.0.1:1/0"
LEFT = ContextVar("LEFT", default="nothing")
Seen = tuple[asyncio.AbstractEventLoop, Backend]


async def looks(backend: Backend) -> Seen:
    """A run that leaves nothing behind."""
    return asyncio.get_running_loop(), backend


async def leaves_a_task(_: Backend) -> asyncio.Task[bool]:
    return asyncio.create_task(asyncio.Event().wait())


async def leaves_a_thread(_: Backend) -> None:
    """Which nobody waits for any more, and which is still at it."""
    begun, end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def at_it() -> None:
        loop.call_soon_threadsafe(begun.set)
        end.wait()

    waits = loop.run_in_executor(None, at_it)
    await begun.wait()
    waits.cancel()
    loop.call_soon(end.set)


async def uses_a_thread(backend: Backend) -> Seen:
    await asyncio.to_thread(int)
    return asyncio.get_running_loop(), backend


async def fails(_: Backend) -> None:
    raise ValueError("no")


@pytest.fixture(autouse=True)
def first() -> Iterator[Seen]:
    """What the first of some runs has; nothing is kept in the end."""
    yield kept.run(NOWHERE, looks)
    with pytest.raises(ValueError, match="no"):
        kept.run(NOWHERE, fails)


def test_loop_and_connection_are_kept(first: Seen) -> None:
    """The next run has them."""
    assert kept.run(NOWHERE, looks) == first


@pytest.mark.parametrize("leaves", [leaves_a_task, leaves_a_thread])
def test_where_something_is_left_behind_all_is_new(leaves: kept.Work[object], first: Seen) -> None:
    """As with `asyncio.run`, it ends with the run."""
    left = kept.run(NOWHERE, leaves)
    assert not isinstance(left, asyncio.Task) or left.cancelled()
    assert first[0].is_closed()
    assert kept.run(NOWHERE, looks)[0] is not first[0]


def test_a_thread_that_is_done_is_not_left_behind(first: Seen) -> None:
    """Names are looked up in one, and Python steps may be run in one."""
    assert kept.run(NOWHERE, uses_a_thread) == first
    assert kept.run(NOWHERE, looks) == first


def test_after_a_failure_all_is_new(first: Seen) -> None:
    """Nobody knows what it left."""
    with pytest.raises(ValueError, match="no"):
        kept.run(NOWHERE, fails)
    assert first[0].is_closed()
    assert kept.run(NOWHERE, looks)[0] is not first[0]


def test_another_address_has_another_connection(first: Seen) -> None:
    """Apps of one process may have different result backends."""
    loop, backend = kept.run("redis://127.0.0.1:2/0", looks)
    assert first[0].is_closed()
    assert (loop, backend) != first


def test_context_is_not_kept() -> None:
    """What a run sets for itself is not seen by the next one."""

    async def sets(_: Backend) -> str:
        before = LEFT.get()
        LEFT.set("something")
        return before

    assert [kept.run(NOWHERE, sets) for _ in range(2)] == ["nothing", "nothing"]
