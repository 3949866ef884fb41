"""A stream of a child process: told line by line, its end kept, memory bounded."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.capture import KEPT_BYTES, LINES_A_SECOND, LINES_AT_ONCE, LONG_LINE, LONGEST_LINE, Capture


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def told(*chunks: bytes) -> tuple[list[str], Capture]:
    lines: list[str] = []
    capture = Capture(lines.append, Clock())
    for chunk in chunks:
        capture.feed(chunk)
    capture.close()
    return lines, capture


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@given(st.text(), st.lists(st.integers(0, 1000)))
def test_how_the_bytes_come_in_changes_nothing(text: str, cuts: list[int]) -> None:
    """Cut anywhere, also within a character or between return and newline."""
    data = text.encode("utf-8", "replace")
    lines, capture = told(*pieces(data, cuts))
    whole = data.decode()
    assert capture.text == whole
    assert capture.left_out == 0
    expected = whole.split("\n")
    assert lines == [line.removesuffix("\r") for line in (expected if expected[-1] else expected[:-1])]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_bytes_that_are_no_text_are_replaced(data: bytes, cuts: list[int]) -> None:
    """Nothing is lost but what no text can hold."""
    _, capture = told(*pieces(data, cuts))
    assert capture.text == data.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([], []),
        ([b"a"], ["a"]),
        ([b"a\n"], ["a"]),
        ([b"a\n\nb"], ["a", "", "b"]),
        ([b"a\r\nb\r", b"\n"], ["a", "b"]),
        ([b"\n"], [""]),
        (["ä".encode()[:1], "ä\n".encode()[1:]], ["ä"]),
    ],
)
def test_lines(chunks: list[bytes], lines: list[str]) -> None:
    """A last line needs no newline."""
    assert told(*chunks)[0] == lines


def test_a_line_is_told_as_soon_as_it_is_whole() -> None:
    """Not only at the end."""
    lines: list[str] = []
    capture = Capture(lines.append)
    capture.feed(b"one\ntw")
    assert lines == ["one"]
    capture.feed(b"o\n")
    assert lines == ["one", "two"]


@pytest.mark.parametrize("size", [1000, LONGEST_LINE, 200_000])
def test_a_long_line_is_cut(size: int) -> None:
    """The rest of it is not told, the next line is."""
    line = b"x" * (3 * LONGEST_LINE)
    data = line + b"\nnext\n"
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    lines, capture = told(*chunks)
    assert lines == ["x" * LONGEST_LINE + "...", "next"]
    assert capture.text == data.decode()


@given(
    st.integers(0, 3 * KEPT_BYTES), st.sampled_from([1, 2, 3, 4]), st.sampled_from([1_000, 65_536, 300_000])
)
def test_the_end_is_kept(count: int, width: int, size: int) -> None:
    """The last 256 KiB, beginning with a whole character; what is left out is counted."""
    character = {1: "a", 2: "ä", 3: "€", 4: "😀"}[width]
    data = (character * (count // width)).encode()
    _, capture = told(*(data[start : start + size] for start in range(0, len(data), size)))
    kept = capture.text.encode()
    assert set(capture.text) <= {character}
    assert len(kept) <= KEPT_BYTES
    assert len(kept) == len(data) or len(kept) > KEPT_BYTES - width
    assert capture.left_out + len(kept) == len(data)


class TestFlood:
    """More lines than anybody reads."""

    def test_only_a_count_is_told(self) -> None:
        """After ten thousand at once."""
        lines, _ = told(b"x\n" * (LINES_AT_ONCE + 5))
        assert lines == ["x"] * LINES_AT_ONCE + ["(5 lines left out: too many at once)"]

    def test_lines_that_are_cut_count_too(self) -> None:
        """Whether they end in the same piece or in a later one."""
        lines, _ = told(*[b"x" * (LONGEST_LINE + 1), b"\n"] * (LINES_AT_ONCE + 5))
        enough = LINES_AT_ONCE // (1 + LONGEST_LINE // LONG_LINE)
        assert len(lines) == enough + 1
        assert lines[-1] == f"({LINES_AT_ONCE + 5 - enough} lines left out: too many at once)"

    def test_it_goes_on_after_a_while(self) -> None:
        """A second later a thousand more, after the count of those that were left out."""
        lines: list[str] = []
        clock = Clock()
        capture = Capture(lines.append, clock)
        capture.feed(b"x\n" * (LINES_AT_ONCE + 5))
        del lines[:]
        clock.time = 0.5
        capture.feed(b"too early\n")
        assert lines == []
        clock.time = 1.0
        capture.feed(b"y\n" * (LINES_A_SECOND + 1))
        assert lines == ["(6 lines left out: too many at once)"] + ["y"] * LINES_A_SECOND
        capture.close()
        assert lines[-1] == "(1 lines left out: too many at once)"

    def test_slow_output_is_never_left_out(self) -> None:
        """However much it is in the end."""
        lines: list[str] = []
        clock = Clock()
        capture = Capture(lines.append, clock)
        for _ in range(50):
            capture.feed(b"x\n" * LINES_A_SECOND)
            clock.time += 1.0
        assert lines == ["x"] * (50 * LINES_A_SECOND)

    @pytest.mark.parametrize("size", [1, 1_000, 65_536, 10_000_000])
    @pytest.mark.parametrize(
        "line", [b"x\n", b"\n", b"x" * (LONGEST_LINE + 9) + b"\nx\n"], ids=["short", "empty", "long"]
    )
    def test_every_line_is_told_or_counted(self, line: bytes, size: int) -> None:
        """However the flood comes in, also in the middle of a line that was cut."""
        times = 2 * LINES_AT_ONCE if len(line) < LONG_LINE else 200
        data = line * times if size > 1 else line[: 3 * LONG_LINE] * (times // 4)
        lines, _ = told(*(data[start : start + size] for start in range(0, len(data), size)))
        counts = [int(found[1]) for one in lines if (found := re.match(r"\((\d+) lines left out", one))]
        total = data.count(b"\n") + (not data.endswith(b"\n"))
        assert len(lines) - len(counts) + sum(counts) == total
