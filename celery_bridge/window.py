"""How many of the last entries of a stream may stay in it."""

from collections import deque

from celery_bridge.channel import LARGEST_STREAM, LONGEST_STREAM


class Window:
    """As many as there may be, and no more than fit into its size: a server holds those of many runs."""

    def __init__(self, most: int = LONGEST_STREAM, largest: int = LARGEST_STREAM) -> None:
        self._most = most
        self._largest = largest
        self._sizes: deque[int] = deque()
        self._size = 0
        self.count = 0
        """How many there have been."""

    def add(self, size: int) -> int:
        """An entry comes: how many may be there with it."""
        self.count += 1
        self._sizes.append(size)
        self._size += size
        while len(self._sizes) > 1 and (len(self._sizes) > self._most or self._size > self._largest):
            self._size -= self._sizes.popleft()
        return len(self._sizes) if self.count > len(self._sizes) else self._most
