"""Texts that say how they want to be put into a shell command."""

from typing import Any


class Raw(str):
    """Goes into a shell command as it is."""

    __slots__ = ()


class Captured(str):
    """The text of a set block: a piece of a command whose values are quoted already."""

    __slots__ = ()


class Quoted(str):
    """Shell-quoted by the author; remembers the value, so that it is quoted once and as its place asks."""

    value: Any

    def __new__(cls, text: str, value: Any) -> "Quoted":
        """The quoted text of a value."""
        made = super().__new__(cls, text)
        made.value = value
        return made
