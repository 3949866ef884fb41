"""Whether a run has anything to do but wait for people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from steps.busy import BusyClock
from steps.clock import keeping
from steps.timing import limited


async def at_work(clock: BusyClock, until: asyncio.Event) -> None:
    """A step that does something."""
    with clock.work():
        await until.wait()


async def asking(clock: BusyClock, until: asyncio.Event) -> None:
    """A step that waits for a person."""
    with clock.work(), clock.handed_over():
        await until.wait()


async def asking_deep_inside(clock: BusyClock, until: asyncio.Event) -> None:
    """A step that waits for a step of its own, which waits for a person."""
    with clock.work(), clock.handed_over():
        await asking(clock, until)


async def busy_beside(clock: BusyClock, until: asyncio.Event) -> None:
    """A step that waits for steps of its own, of which one does something."""
    with clock.work(), clock.handed_over():
        await asyncio.gather(at_work(clock, until), asking(clock, until))


async def between_rounds(clock: BusyClock, until: asyncio.Event) -> None:
    """Waits for its next round."""
    await clock.sleep(3600)


async def with_a_limit(clock: BusyClock, until: asyncio.Event) -> None:
    """A group whose timeout another life would begin anew."""
    with keeping(clock):
        async with limited(3600):
            await asking(clock, until)


@pytest.mark.parametrize(
    ("step", "idle"),
    [
        (at_work, False),
        (asking, True),
        (asking_deep_inside, True),
        (busy_beside, False),
        (between_rounds, False),
        (with_a_limit, False),
    ],
)
async def test_what_counts(step: Callable[[BusyClock, asyncio.Event], Awaitable[None]], idle: bool) -> None:
    """Work, waits for the next round, and limits do; waits for people and for other steps don't."""
    clock, until = BusyClock(), asyncio.Event()
    task = asyncio.ensure_future(step(clock, until))
    for _ in range(3):  # a step starts steps of its own
        await asyncio.sleep(0)
    assert clock.idle_for(0) is idle
    until.set()
    task.cancel()
    await asyncio.wait([task])
    assert clock.idle_for(0)
    assert not clock.idle_for(3600)
