"""Durations: `90`, `90s`, `5m`, `1h30m`, `500ms`, ISO 8601 (`PT1H30M`). In seconds."""

import math
import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PART = re.compile(rf"({_NUMBER})(ms|s|m|h|d)")
_ISO = re.compile(
    rf"P(?=.)(?:(?P<d>{_NUMBER})D)?"
    rf"(?:T(?=.)(?:(?P<h>{_NUMBER})H)?(?:(?P<m>{_NUMBER})M)?(?:(?P<s>{_NUMBER})S)?)?"
)
PATTERN = (
    rf"^(?:{_NUMBER}|(?:{_NUMBER}(?:ms|s|m|h|d))+"
    rf"|P(?=.)(?:{_NUMBER}D)?(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)$"
)
LONGEST = 366 * 86400.0


def parse_duration(value: object) -> float:
    """Seconds of a number or of a text such as `1h30m`; ValueError names the value and the forms."""
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError(f"{value!r:.80} is no duration; write 90, 90s, 5m, 1h30m or PT1H30M")
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"{value!r:.80} is out of range; a duration lies between 0 and 366 days")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest usual way to write a number of seconds: `90s`, `2h`, `1h30m`, `500ms`."""
    if seconds != int(seconds):
        return f"{_plain(seconds * 1000)}ms" if seconds < 1 else f"{_plain(seconds)}s"
    left, parts = int(seconds), []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, int(_UNITS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _plain(number: float) -> str:
    """A number without an exponent."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) <= LONGEST else math.inf
    if not isinstance(value, str) or len(value) > 100 or not re.fullmatch(PATTERN, value):
        return None
    if iso := _ISO.fullmatch(value):
        return sum(float(number) * _UNITS[unit] for unit, number in iso.groupdict().items() if number)
    parts = _PART.findall(value)
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else float(value)
