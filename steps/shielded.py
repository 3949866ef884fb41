"""Work that a cancellation must not cut short."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def to_its_end(work: Awaitable[T]) -> T:
    """What it gives. Who was asked to end meanwhile ends once the work is over."""
    future = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        _seen(future)
        raise cancelled
    return future.result()


def _seen(future: asyncio.Future[T]) -> None:
    """Else asyncio complains of an error that nobody looked at."""
    if not future.cancelled():
        future.exception()
