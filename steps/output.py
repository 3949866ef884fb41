"""What one try of a step writes: told line by line, its end kept, and all of it stored where one wants."""

from typing import Any

from steps.capture import Capture
from steps.child import Valve
from steps.events import Stream
from steps.output_keeper import Keeper, Title
from steps.scope import Scope
from steps.shielded import to_its_end

PATIENCE_AFTER_INTERRUPTION = 5.0
MUCH = 8 * 1024
_STREAMS: tuple[Stream, ...] = ("stdout", "stderr")


class Output:
    """The streams of one child process."""

    def __init__(self, scope: Scope) -> None:
        self.valve = Valve()
        self._scope = scope
        self._keeper = _keeper(scope, self.valve)
        self._captures = {stream: self._capture(stream) for stream in _STREAMS}
        self._is_closed = False

    def stdout(self, data: bytes) -> None:
        """Bytes came."""
        self._take("stdout", data)

    def stderr(self, data: bytes) -> None:
        """Bytes came."""
        self._take("stderr", data)

    @property
    def last_error(self) -> str:
        """The end of what it complained of."""
        return self._captures["stderr"].text

    async def close(self) -> None:
        """It has ended; returns when all is stored."""
        self._close_captures()
        if self._keeper is not None:
            await self._keeper.close()
            self._tell_where(self._keeper)
        self._is_closed = True

    async def break_off(self) -> None:
        """The same where nobody waits any more. Does nothing after a `close` that came to its end."""
        if self._is_closed:
            return
        self._close_captures()
        if self._keeper is not None:
            await to_its_end(self._keeper.close(PATIENCE_AFTER_INTERRUPTION))

    def result(self, exit_code: int | None) -> dict[str, Any]:
        """What a step gives that runs a program."""
        result: dict[str, Any] = {name: capture.text for name, capture in self._captures.items()}
        result["exit_code"] = exit_code
        if truncated := {name: one.left_out for name, one in self._captures.items() if one.left_out}:
            result["truncated"] = truncated
        if self._keeper is not None and (stored := self._keeper.stored()):
            result["stored"] = stored
        return result

    def _capture(self, stream: Stream) -> Capture:
        return Capture(lambda line: self._scope.line(line, stream), mask=self._scope.mask)

    def _close_captures(self) -> None:
        for capture in self._captures.values():
            capture.close()

    def _take(self, stream: Stream, data: bytes) -> None:
        self._captures[stream].feed(data)
        if self._keeper is not None:
            self._keeper.feed(stream, data)

    def _tell_where(self, keeper: Keeper) -> None:
        """Of much output the log has not all, and the result perhaps neither."""
        for stream, stored in keeper.stored().items():
            if stored["bytes"] > MUCH:
                part = "The beginning" if "error" in stored else "All"
                self._scope.line(f"{part} of {stream}: {stored['where']} ({stored['bytes']:,} bytes)")


def _keeper(scope: Scope, valve: Valve) -> Keeper | None:
    around = scope.surroundings
    if not around.outputs.named:
        return None
    run = around.journal.run_id or around.run_id
    title = Title(run, scope.key.removeprefix(f"{run}."), scope.attempts)
    return Keeper(around.outputs, title, scope.mask, valve, scope.line)
