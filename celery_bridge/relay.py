"""Writes a run's events to a log as people read them, and no faster than a log server can take."""

from datetime import datetime
from logging import ERROR, INFO, WARNING, Logger, LoggerAdapter
from typing import Any

from steps.events import Event, Listener

LINES_AT_ONCE = 500
LINES_PER_SECOND = 50.0
LONG_LINE = 1024
NOT_RUN = ("skipped", "blocked")
KEPT = "Kept from before: %s"

AnyLogger = Logger | LoggerAdapter[Any]


class LineBudget:
    """How many output lines a log takes: 500 at once, then 50 a second; the others are counted.

    Each KiB of a line is one more. Once used up, it stays closed until a second's worth is there again, so
    that gaps are few. What is no output of a program is not left out.
    """

    def __init__(self) -> None:
        self._room = float(LINES_AT_ONCE)
        self._closed = False
        self._last: datetime | None = None
        self._left_out = 0

    def take(self, line: Event) -> bool:
        """Whether a line is to be logged."""
        if line.stream == "log":
            return True
        passed = (line.time - self._last).total_seconds() if self._last else 0.0
        self._last = line.time
        self._room = min(LINES_AT_ONCE, self._room + max(0.0, passed) * LINES_PER_SECOND)
        self._closed = self._room < (LINES_PER_SECOND if self._closed else 1)
        if self._closed:
            self._left_out += 1
            return False
        self._room -= 1 + len(line.text) // LONG_LINE
        return True

    def mend_gap(self, logger: AnyLogger) -> None:
        """Say how many lines were left out since it was last said."""
        if self._left_out:
            logger.info("… %s lines left out: too fast for the log", self._left_out)
            self._left_out = 0


class Relay:
    """A listener that logs each event and passes it on to another listener.

    Output lines are logged as the budget allows; starts and ends always are.
    """

    def __init__(self, logger: AnyLogger, listener: Listener) -> None:
        self._logger = logger
        self._listener = listener
        self._began: dict[str, datetime] = {}
        self._budget = LineBudget()

    def __call__(self, event: Event) -> None:
        self._listener(event)
        if event.kind == "line":
            self._line(event)
        else:
            self._budget.mend_gap(self._logger)
            self._logger.log(*_sentence(event, self._seconds(event)))

    def _line(self, event: Event) -> None:
        if self._budget.take(event):
            self._budget.mend_gap(self._logger)
            self._logger.info("%s: %s", event.label, event.text)

    def _seconds(self, event: Event) -> float:
        if event.kind == "started":
            self._began[event.label] = event.time
        began = self._began.get(event.label, event.time)
        return (event.time - began).total_seconds()


def _sentence(event: Event, seconds: float) -> tuple[Any, ...]:
    """The level and the text of a log line, ready for `Logger.log`."""
    match event.kind:
        case "started":
            return INFO, "%s started%s", event.label, f" ({event.position})" if event.position else ""
        case "kept":
            return INFO, KEPT, event.text
        case "retrying":
            return WARNING, "%s failed: %s", event.label, event.text
        case _ if event.status in NOT_RUN:
            return INFO, "%s %s%s", event.label, event.status, f": {event.text}" if event.text else ""
        case _:
            level = ERROR if event.status == "failed" else INFO
            reason = f": {event.text}" if event.text else ""
            return level, "%s %s in %.1fs%s", event.label, event.status, seconds, reason
