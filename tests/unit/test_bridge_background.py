"""Work that goes on beside a block of code."""

import asyncio

import pytest

from celery_bridge.background import alongside


async def test_it_ends_with_the_block() -> None:
    """Work that would go on for ever is cancelled."""
    async with alongside(asyncio.sleep(1000)) as work:
        assert not work.done()
    assert work.cancelled()


async def test_it_ends_even_when_a_cancellation_is_swallowed() -> None:
    """As `asyncio.wait_for` does now and then up to Python 3.11."""
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 3:
                    raise

    async with asyncio.timeout(120):
        async with alongside(stubborn()) as work:
            await asyncio.sleep(0)
    assert work.cancelled()
    assert swallowed == 3


async def test_its_failure_does_not_hide_the_blocks() -> None:
    """The block's own error is what comes out."""

    async def fails() -> None:
        raise ValueError("beside")

    async def block() -> None:
        async with alongside(fails()) as work:
            await asyncio.wait([work])
            raise KeyError(str(work.exception()))

    with pytest.raises(KeyError, match="beside"):
        await block()
