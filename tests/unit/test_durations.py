"""Durations: the ways to write one, and what is refused."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.durations import LONGEST, PATTERN, format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90.0),
        (0, 0.0),
        (1.5, 1.5),
        ("90", 90.0),
        ("90s", 90.0),
        ("1.5s", 1.5),
        ("500ms", 0.5),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1d2h3m4s", 93784.0),
        ("PT1H30M", 5400.0),
        ("P1D", 86400.0),
        ("P1DT0.5S", 86400.5),
    ],
)
def test_a_duration_is_seconds(written: object, seconds: float) -> None:
    """Numbers are seconds; texts may name units or follow ISO 8601."""
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "s", "fast", "5 m", "-5s", "1h 30m", "5x", "P", "PT", "P1DT", "P1Y", "٣s", "1_0", "1e3", "5m\n"],
)
def test_what_is_no_duration_names_the_value_and_the_forms(written: str) -> None:
    """The message holds what was written and what may be written."""
    with pytest.raises(ValueError, match="is no duration; write 90, 90s") as caught:
        parse_duration(written)
    assert repr(written)[:40] in str(caught.value)


@pytest.mark.parametrize("written", [None, True, [], {}, "9" * 200, "1s" * 60])
def test_other_values_are_no_durations(written: object) -> None:
    """Booleans are no numbers, and a text without end is not even looked at."""
    with pytest.raises(ValueError, match="no duration") as caught:
        parse_duration(written)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("written", [-1, "367d", 10**400, math.inf, math.nan, 366 * 86400 + 1])
def test_durations_have_bounds(written: object) -> None:
    """Nothing negative, endless or longer than a year."""
    with pytest.raises(ValueError, match="out of range"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, "0s"), (90, "1m30s"), (7200, "2h"), (5400, "1h30m"), (0.5, "500ms"), (1.5, "1.5s"), (86400, "1d")],
)
def test_durations_are_written_the_usual_way(seconds: float, written: str) -> None:
    """The shortest form with units."""
    assert format_duration(seconds) == written


@settings(deadline=None)
@given(st.integers(0, int(LONGEST * 1000)))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    """Writing and reading gives the same duration, to the millisecond."""
    seconds = milliseconds / 1000
    assert math.isclose(parse_duration(format_duration(seconds)), seconds, abs_tol=1e-6)


@settings(deadline=None)
@given(st.text(alphabet="0123456789.PTDHMSdhms", max_size=12))
def test_the_schema_s_pattern_agrees_with_the_reader(written: str) -> None:
    """What an editor accepts is read, unless it is too long; what it refuses is refused."""
    try:
        parse_duration(written)
        is_read = True
    except ValueError as error:
        is_read = "out of range" in str(error)
    assert is_read == bool(re.search(PATTERN, written))
