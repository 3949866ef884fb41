"""Paths into a document: `steps[2].retry.attempts`, and `metadata["a b"]` where a key is no plain word."""

import json
import re
from collections.abc import Iterable

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PART = re.compile(r'\.?(?P<key>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>\d+)\]|\[(?P<text>"(?:[^"\\]|\\.)*")\]')


def part(key: str | int) -> str:
    """One key or index as it is appended to a path."""
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _PLAIN.fullmatch(key) else f"[{json.dumps(key)}]"


def written(path: Iterable[str | int]) -> str:
    """A path as text."""
    return "".join(map(part, path)).removeprefix(".")


def parts(text: str) -> Path:
    """The keys and indexes of a path written as text."""
    return tuple(map(_key, _PART.finditer(text)))


def sort_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Orders paths as a reader expects: `steps[2]` before `steps[10]`."""
    return tuple((1, key, "") if isinstance(key, int) else (0, 0, key) for key in path)


def _key(found: re.Match[str]) -> str | int:
    if found["index"] is not None:
        return int(found["index"])
    return str(json.loads(found["text"])) if found["text"] is not None else found["key"]
