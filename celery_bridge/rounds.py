"""Questions that cost about the same for one as for a thousand, put for all who ask meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Rounds(Generic[T]):
    """One question at a time; who comes while it is answered is asked for together with all the others."""

    def __init__(self, ask: Callable[[list[str]], Awaitable[T]]) -> None:
        self._ask = ask
        self._turn = asyncio.Lock()
        self._ids: list[str] = []
        self._next: asyncio.Task[T] | None = None

    async def answer(self, id: str) -> T:
        """What is answered to the question for this one, and for others."""
        self._ids.append(id)
        if self._next is None:
            self._next = asyncio.create_task(self._held(self._ids))
        return await asyncio.shield(self._next)

    async def _held(self, ids: list[str]) -> T:
        async with self._turn:
            self._ids, self._next = [], None
            return await self._ask(ids)
