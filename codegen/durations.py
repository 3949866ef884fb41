"""Durations: `90`, `90s`, `5m`, `1h30m`, `500ms`, ISO 8601 (`PT1H30M`). In seconds."""

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_PLAIN = re.compile(rf"(?:{_PART.pattern})+")
_ISO = re.compile(
    r"P(?:(?P<d>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)
LONGEST = 366 * 86400.0


def parse_duration(value: object) -> float:
    """Seconds of a number or of a text such as `1h30m`; ValueError names the value and the forms."""
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError(f"{value!r} is no duration; write 90, 90s, 5m, 1h30m or PT1H30M")
    if not 0 <= seconds <= LONGEST:
        raise ValueError(f"{value!r} is out of range; a duration lies between 0 and 366 days")
    return seconds


def format_duration(seconds: float) -> str:
    """The shortest usual way to write a number of seconds: `90s`, `2h`, `1h30m`, `500ms`."""
    if seconds != int(seconds):
        return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"
    left, parts = int(seconds), []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, int(_UNITS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _seconds(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str) or len(value) > 100:
        return None
    text = value.strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        return float(text)
    if _PLAIN.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    iso = _ISO.fullmatch(text)
    if iso and any(iso.groupdict().values()):
        return sum(float(number) * _UNITS[unit] for unit, number in iso.groupdict().items() if number)
    return None
