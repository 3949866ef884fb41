"""Waiting in tests: look again until it is so."""

import asyncio
from collections.abc import Callable

PATIENCE = 180.0


async def wait_until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Return once `condition()` is true; TimeoutError when patience is over."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 - what it waits for is outside of this process
            await asyncio.sleep(0.01)
