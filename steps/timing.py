"""How long a step may take."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from codegen.durations import format_duration
from steps.clock import present
from steps.errors import StepTimedOut


@asynccontextmanager
async def limited(timeout: float | None) -> AsyncIterator[asyncio.Timeout | None]:
    """End the block after `timeout` seconds with `StepTimedOut`; None sets no limit."""
    if timeout is None:
        yield None
        return
    loop, limit = asyncio.get_running_loop(), asyncio.timeout(None)
    timer = present().call_later(timeout, lambda: limit.reschedule(loop.time()))
    try:
        with present().counting():
            async with limit:
                yield limit
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise timed_out(timeout) from error
    finally:
        timer.cancel()


def timed_out(timeout: float, result: object = None, *more: str) -> StepTimedOut:
    """The failure of a step that took longer than its timeout, and what `more` there is to say of that."""
    return StepTimedOut("; ".join([f"timed out after {format_duration(timeout)}", *more]), result)
