"""How a single value stands in a text: as in JSON, whichever engine writes it."""

from typing import Any

_WORDS = {None: "null", True: "true", False: "false"}


def scalar_text(value: Any) -> str:
    """`true`, `false`, `null`, a text as it is, and anything else as Python writes it."""
    return _WORDS[value] if value is None or isinstance(value, bool) else str(value)
