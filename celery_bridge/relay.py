"""Writes a run's events to a log as people read them, and no faster than a log server can take."""

from datetime import datetime
from logging import ERROR, INFO, WARNING, Logger, LoggerAdapter
from typing import Any

from steps.events import Event, Listener

LINES_AT_ONCE = 500
LINES_PER_SECOND = 50.0

AnyLogger = Logger | LoggerAdapter[Any]


class Relay:
    """A listener that logs each event and passes it on to another listener.

    Output lines beyond a burst of 500 and 50 a second are counted and left out; starts and ends never are.
    """

    def __init__(self, logger: AnyLogger, listener: Listener) -> None:
        self._logger = logger
        self._listener = listener
        self._began: dict[str, datetime] = {}
        self._room = float(LINES_AT_ONCE)
        self._last: datetime | None = None
        self._left_out = 0

    def __call__(self, event: Event) -> None:
        self._listener(event)
        if event.kind == "line":
            self._line(event)
        else:
            self._mend_gap()
            self._logger.log(*_sentence(event, self._seconds(event)))

    def _line(self, event: Event) -> None:
        passed = (event.time - self._last).total_seconds() if self._last else 0.0
        self._last = event.time
        self._room = min(LINES_AT_ONCE, self._room + max(0.0, passed) * LINES_PER_SECOND)
        if self._room < 1:
            self._left_out += 1
            return
        self._room -= 1
        self._mend_gap()
        self._logger.info("%s: %s", event.label, event.text)

    def _mend_gap(self) -> None:
        if self._left_out:
            self._logger.info("… %s lines left out: too fast for the log", self._left_out)
            self._left_out = 0

    def _seconds(self, event: Event) -> float:
        if event.kind == "started":
            self._began[event.label] = event.time
        began = self._began.get(event.label, event.time)
        return (event.time - began).total_seconds()


def _sentence(event: Event, seconds: float) -> tuple[Any, ...]:
    """The level and the text of a log line, ready for `Logger.log`."""
    match event.kind:
        case "started":
            return INFO, "%s started", event.label
        case "retrying":
            return WARNING, "%s failed: %s", event.label, event.text
        case _:
            level = ERROR if event.status == "failed" else INFO
            reason = f": {event.text}" if event.text else ""
            return level, "%s %s in %.1fs%s", event.label, event.status, seconds, reason
