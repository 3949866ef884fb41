"""The lines of a run that its report keeps."""

from collections import deque

from codegen.result import LogLine
from steps.events import Event

KEPT_LINES = 1000
KEPT_CHARACTERS = 1_000_000


class KeptLog:
    """The last lines that a run's steps wrote: 1,000 of them, and no more than a million characters."""

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque()
        self._size = 0

    @property
    def lines(self) -> tuple[LogLine, ...]:
        """The lines, oldest first."""
        return tuple(self._lines)

    def add(self, event: Event) -> None:
        """Keep the event if it is a line."""
        if event.kind != "line":
            return
        self._lines.append(
            LogLine(
                time=event.time,
                step=event.step,
                index=event.index,
                place=event.place,
                stream=event.stream,
                text=event.text,
            )
        )
        self._size += len(event.text)
        while len(self._lines) > KEPT_LINES or self._size > KEPT_CHARACTERS:
            self._size -= len(self._lines.popleft().text)
