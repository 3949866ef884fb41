"""How many entries of a stream may stay."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from celery_bridge.window import Window


def stream_of(sizes: Sequence[int], window: Window) -> list[int]:
    """What is left of entries of these sizes."""
    stream: list[int] = []
    for size in sizes:
        longest = window.add(size)
        stream = [*stream, size][-longest:]
    return stream


@given(st.lists(st.integers(1, 60), max_size=60))
def test_the_last_ones_that_fit(sizes: list[int]) -> None:
    """As many as may be, none too many; the last one always stays."""
    left = stream_of(sizes, Window(most=10, largest=50))
    assert left == sizes[len(sizes) - len(left) :]
    assert len(left) <= 10
    assert sum(left) <= 50 or len(left) == 1
    more = sizes[-len(left) - 1 :]
    assert len(left) == len(sizes) or len(more) > 10 or sum(more) > 50


def test_few_small_ones_push_nothing_out() -> None:
    """There is more in the stream than events: who took the run, and what an earlier process told."""
    window = Window(most=10, largest=50)
    assert [window.add(5) for _ in range(10)] == [10] * 10
    assert window.add(45) == 2
