"""Texts that can be encoded."""

import re

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


def sound_text(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON may bring along and nothing can write down."""
    return text if text.isascii() else _HALF_CHARACTER.sub("\ufffd", text)
