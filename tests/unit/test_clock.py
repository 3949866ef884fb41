"""A rehearsal's clock: it takes no time, and things end in the order of their moments."""

import asyncio

import pytest

from steps.clock import Clock, VirtualClock, keeping, present
from steps.errors import StepTimedOut
from steps.timing import limited

pytestmark = pytest.mark.timeout(120)


async def test_moments_come_in_order() -> None:
    """Whoever waits for the nearest moment goes on first."""
    clock, seen = VirtualClock(), []

    async def one(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, clock.now))

    await asyncio.gather(one("a", 3600), one("b", 60), one("c", 86400))
    assert seen == [("b", 60), ("a", 3600), ("c", 86400)]


async def test_what_is_at_work_holds_the_clock() -> None:
    """However long real work takes, it takes none of the run's time."""
    clock, seen = VirtualClock(), []
    done = asyncio.Event()

    async def works() -> None:
        with clock.work():
            await done.wait()
            seen.append(("work", clock.now))

    async def waits() -> None:
        await clock.sleep(5)
        seen.append(("waited", clock.now))

    async with asyncio.TaskGroup() as group:
        group.create_task(works())
        group.create_task(waits())
        for _ in range(500):
            await asyncio.sleep(0)
        assert seen == []
        done.set()
    assert seen == [("work", 0), ("waited", 5)]


async def test_at_the_same_moment_the_one_that_began_first_is_first() -> None:
    """Also where it came to wait later than the other."""
    clock, seen = VirtualClock(), []

    async def step(name: str, rounds: int) -> None:
        with clock.work():
            for _ in range(rounds):
                await asyncio.sleep(0)
            await clock.sleep(3)
            seen.append(name)

    await asyncio.gather(step("first", 20), step("second", 0))
    assert seen == ["first", "second"]


async def test_a_call_that_was_cancelled_is_not_made() -> None:
    """And it does not let time pass."""
    clock, seen = VirtualClock(), []
    clock.call_later(5, lambda: seen.append("late")).cancel()
    await clock.sleep(1)
    await clock.sleep(10)
    assert (seen, clock.now) == ([], 11)


async def test_a_sleeper_that_is_cancelled_holds_up_nobody() -> None:
    """Its moment passes without a trace."""
    clock = VirtualClock()

    async def step() -> None:
        with clock.work():
            await clock.sleep(100)

    task = asyncio.create_task(step())
    await clock.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await clock.sleep(2)
    assert clock.now == 3


async def test_timeouts_follow_it() -> None:
    """A limit of an hour is over at once; who ends at that very moment is in time."""
    clock = VirtualClock()
    with keeping(clock):
        with pytest.raises(StepTimedOut, match="timed out after 1h"):
            async with limited(3600):
                await present().sleep(3601)
        with clock.work():
            async with limited(5):
                await present().sleep(5)
    assert clock.now == 3605


async def test_outside_there_is_the_machines_clock() -> None:
    """Rehearsals end with their block."""
    clock = VirtualClock()
    with keeping(clock):
        assert present() is clock
    assert type(present()) is Clock


@pytest.mark.parametrize(("clock", "left"), [(Clock(), 90.0), (VirtualClock(), 0.0)])
async def test_what_others_are_to_wait(clock: Clock, left: float) -> None:
    """Prefect goes by the machine's clock: in a rehearsal no wait is left to it."""
    assert clock.outside(90.0) == left
