"""SIGTERM in a process of the worker's pool: a wish to end the run it is at, and after that the process."""

import os
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from billiard.process import current_process

MAIN_PROCESS = "MainProcess"


class Termination:
    """While the block runs, SIGTERM calls what was registered; at its end the signal is passed on.

    Passed on, because Celery has written the pool process off when it sends the signal. In the worker's
    main process (solo and thread pools) SIGTERM means "take no more work", and is left alone.
    """

    def __init__(self) -> None:
        self._calls: list[Callable[[], Any]] = []
        self._received = False
        self._before: Any = None
        self._listens = (
            threading.current_thread() is threading.main_thread() and current_process().name != MAIN_PROCESS
        )

    def call(self, function: Callable[[], Any]) -> None:
        """Call the function when the signal comes, or now if it came already."""
        self._calls.append(function)
        if self._received:
            function()

    def __enter__(self) -> Self:
        if self._listens:
            self._before = signal.signal(signal.SIGTERM, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listens:
            signal.signal(signal.SIGTERM, self._before)
        if self._received:
            os.kill(os.getpid(), signal.SIGTERM)

    def _hear(self, *_: object) -> None:
        self._received = True
        for call in self._calls:
            call()
