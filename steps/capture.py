"""One output stream of a child process: told line by line as it comes, its end kept."""

import time
from collections import deque
from collections.abc import Callable

from steps.masking import Mask

KEPT_BYTES = 256 * 1024
LONGEST_LINE = 64 * 1024
LONG_LINE = 1024
LINES_AT_ONCE = 10_000
LINES_A_SECOND = 1_000


class Capture:
    """Takes a stream's bytes; memory stays bounded however much comes.

    `text` is the last 256 KiB, `left_out` how many bytes came before. Of a flood only a count is told: of
    more than 10,000 lines at once, then 1,000 a second, each KiB of a line being one more. What a cut
    leaves of a secret is hidden by the `mask`.
    """

    def __init__(
        self,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        mask: Mask | None = None,
    ) -> None:
        self._tell = tell
        self._mask = mask or Mask()
        self._tail = _Tail()
        self._begun = b""
        self._cut = False
        self._allowance = _Allowance(clock)
        self._untold = 0

    @property
    def text(self) -> str:
        """The end of the stream."""
        text = self._tail.data().decode("utf-8", "replace")
        return self._mask.cut(text, start=self.left_out > 0)

    @property
    def left_out(self) -> int:
        """How many bytes are not in `text`."""
        return self._tail.total - len(self._tail.data())

    def feed(self, data: bytes) -> None:
        """Bytes came."""
        self._tail.add(data)
        if self._allowance.is_used_up:
            self._count(data)
        else:
            self._split(data)

    def _split(self, data: bytes) -> None:
        *lines, begun = (self._begun + data).split(b"\n")
        if self._cut and lines:
            lines, self._cut = lines[1:], False
        for place, line in enumerate(lines):
            if not self._allowance.take(_cost(line)):
                self._untold += len(lines) - place
                break
            self._line(line)
        self._begun = b"" if self._cut else self._within_limit(begun)

    def _count(self, data: bytes) -> None:
        """Of a flood nothing is split: there may be a hundred million lines in it."""
        lines = data.count(b"\n")
        if lines:
            self._untold += lines - self._cut
            self._begun, self._cut = b"", False
        begun = data[data.rfind(b"\n") + 1 :]
        self._begun = b"" if self._cut else self._within_limit(self._begun + begun)

    def close(self) -> None:
        """The stream ended."""
        if self._begun:
            self._line(self._begun)
            self._begun = b""
        self._tell_untold()

    def _within_limit(self, begun: bytes) -> bytes:
        """What is kept of a line that has not ended: one too long is told now, the rest of it never."""
        if len(begun) <= LONGEST_LINE:
            return begun
        if self._allowance.take(_cost(begun)):
            self._line(begun)
        else:
            self._untold += 1
        self._cut = True
        return b""

    def _line(self, line: bytes) -> None:
        self._tell_untold()
        text = line[:LONGEST_LINE].decode("utf-8", "replace").removesuffix("\r")
        self._tell(f"{self._mask.cut(text, end=True)}..." if len(line) > LONGEST_LINE else text)

    def _tell_untold(self) -> None:
        if self._untold:
            untold, self._untold = self._untold, 0
            self._tell(f"({untold} lines left out: too many at once)")


class _Tail:
    """The last bytes of a stream."""

    def __init__(self) -> None:
        self.total = 0
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        self._chunks.append(data)
        self._size += len(data)
        while self._size - len(self._chunks[0]) >= KEPT_BYTES:
            self._size -= len(self._chunks.popleft())

    def data(self) -> bytes:
        """Begins with a whole character where it was cut."""
        whole = b"".join(self._chunks)
        if self.total <= KEPT_BYTES:
            return whole
        tail = whole[-KEPT_BYTES:]
        rest = tail[:3].lstrip(bytes(range(0x80, 0xC0)))
        return tail[len(tail[:3]) - len(rest) :]


class _Allowance:
    """How much may be told now. Once used up, it stays closed until a second's worth is there again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(LINES_AT_ONCE)
        self._seen = clock()
        self._closed = False

    @property
    def is_used_up(self) -> bool:
        """Whether nothing may be told now."""
        now = self._clock()
        self._left = min(LINES_AT_ONCE, self._left + (now - self._seen) * LINES_A_SECOND)
        self._seen = now
        self._closed = self._closed and self._left < LINES_A_SECOND
        return self._closed

    def take(self, cost: int) -> bool:
        """Whether this, too, may be told."""
        self._closed = self.is_used_up or self._left < cost
        if not self._closed:
            self._left -= cost
        return not self._closed


def _cost(line: bytes) -> int:
    """As how many lines a line counts."""
    return 1 + min(len(line), LONGEST_LINE) // LONG_LINE
