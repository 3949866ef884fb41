"""What a process of the pool keeps from one run to the next: its event loop, and its connection to Redis.

To make both anew took a third of the time that a workflow of one small step takes.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import copy_context
from selectors import BaseSelector, DefaultSelector
from typing import Any, TypeVar

from celery_bridge.clients import Backend
from celery_bridge.user_tasks import close_links

T = TypeVar("T")
Work = Callable[[Backend], Coroutine[Any, Any, T]]
"""What a run does with its connection."""
FRESH_FOR = 10.0
"""Seconds; what lies on the way may have forgotten a connection that was not used for longer."""
_OWN_SOCKETS = 2
"""What a loop waits for that a run left nothing behind in: its own wake-up, and the connection."""


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that can tell whether a run left something behind in it."""

    def __init__(self) -> None:
        self._waits_for: BaseSelector = DefaultSelector()
        self._in_threads = 0
        super().__init__(self._waits_for)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._out_of_thread)
        return future

    def is_clean(self) -> bool:
        """Whether nothing goes on in it."""
        sockets = len(self._waits_for.get_map())
        return not (self._in_threads or asyncio.all_tasks(self) or sockets > _OWN_SOCKETS)

    def _out_of_thread(self, future: asyncio.Future[Any]) -> None:
        if not future.cancelled():  # nobody waits for it any more, but the thread may go on
            self._in_threads -= 1


class _Kept:
    """A loop and a connection, to one address."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._loop = _Loop()
        self._runner = asyncio.Runner(loop_factory=lambda: self._loop)
        self._backend = Backend(url)
        self._used = time.monotonic()

    def run(self, work: Work[T]) -> T:
        result = self._runner.run(self._fresh(work), context=copy_context())
        self._used = time.monotonic()
        return result

    def is_clean(self) -> bool:
        return self._loop.is_clean()

    def close(self) -> None:
        try:
            with self._runner:
                self._runner.run(self._backend.aclose())
        finally:
            close_links(self._loop)

    async def _fresh(self, work: Work[T]) -> T:
        if time.monotonic() - self._used > FRESH_FOR:
            await self._backend.aclose()
        return await work(self._backend)


class _OfThread(threading.local):
    kept: _Kept | None = None


_of_thread = _OfThread()


def run(url: str, work: Work[T]) -> T:
    """As `asyncio.run`, but with a connection to that address.

    Both are those of the run before, unless that one failed or left anything behind.
    """
    kept, _of_thread.kept = _of_thread.kept, None
    if kept is not None and kept.url != url:
        kept.close()
        kept = None
    kept = kept or _Kept(url)
    clean = False
    try:
        result = kept.run(work)
        clean = kept.is_clean()
        return result
    finally:
        if clean:
            _of_thread.kept = kept
        else:
            kept.close()
