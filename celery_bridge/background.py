"""Work that goes on beside a block of code, and surely ends with it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

AGAIN_AFTER = 0.1


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """Do the work while the block runs, and cancel it at the block's end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        # Again and again: up to Python 3.11, `asyncio.wait_for` (which libraries use) may swallow one.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=AGAIN_AFTER)
