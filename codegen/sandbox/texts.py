"""Filters that read or write text."""

import math
import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote_from_bytes

from codegen.sandbox.errors import LimitRefusal, Refusal
from codegen.sandbox.limits import MAX_BITS, MAX_ITEMS, Budget, kind
from codegen.sandbox.operations import TOO_LARGE
from codegen.sandbox.printf import printf

TRUE_WORDS = frozenset({"true", "yes", "on", "y", "t", "1"})
FALSE_WORDS = frozenset({"false", "no", "off", "n", "f", "0", ""})
LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

_WORD_STARTS = re.compile(r"([-\s({\[<]+)")
_WORD = re.compile(r"\w+")
_UNITS = ("kMGTPEZY", "KMGTPEZY")


def upper(budget: Budget, value: Any) -> str:
    """In capitals."""
    return budget.text(value).upper()


def lower(budget: Budget, value: Any) -> str:
    """In small letters."""
    return budget.text(value).lower()


def capitalize(budget: Budget, value: Any) -> str:
    """First letter in capitals, the rest in small letters."""
    return budget.text(value).capitalize()


def title(budget: Budget, value: Any) -> str:
    """Each word with a capital."""
    words = _WORD_STARTS.split(budget.text(value))
    return "".join(word[:1].upper() + word[1:].lower() for word in words)


def trim(budget: Budget, value: Any, chars: str | None = None) -> str:
    """Without white space, or the given characters, at both ends."""
    text = budget.text(value)
    budget.search(text, chars)
    return text.strip(chars)


def string(budget: Budget, value: Any) -> str:
    """As text."""
    return budget.text(value)


def replace(budget: Budget, value: Any, old: Any, new: Any, count: int | None = None) -> str:
    """Every `old`, or the first `count` of them, replaced by `new`."""
    text, old, new = budget.text(value), budget.text(old), budget.text(new)
    times = text.count(old) if count is None or count < 0 else min(text.count(old), count)
    if len(new) > len(old):
        budget.grow(len(text) + times * (len(new) - len(old)))
    return text.replace(old, new, times)


def split(budget: Budget, value: Any, separator: str | None = None, maxsplit: int = -1) -> list[str]:
    """The parts between separators; between runs of white space if none is given."""
    text = budget.text(value)
    most = MAX_ITEMS if maxsplit < 0 else min(maxsplit, MAX_ITEMS)
    parts = text.split(separator, most)
    budget.collect(len(parts))
    return parts


def splitlines(budget: Budget, value: Any) -> list[str]:
    """The lines, without their ends."""
    text = budget.text(value)
    budget.collect(1 + sum(map(text.count, LINE_ENDS)))
    return text.splitlines()


def truncate(
    budget: Budget, value: Any, length: int = 255, killwords: bool = False, end: str = "...", leeway: int = 5
) -> str:
    """At most `length` characters, cut between words, with `end` where something was cut."""
    text = budget.text(value)
    if length < len(end) or leeway < 0:
        raise Refusal(f"truncate needs a length of at least {len(end)}", f"length counts the {end!r:.20} too")
    if len(text) <= length + leeway:
        return text
    cut = text[: length - len(end)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


def indent(budget: Budget, value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """Every line but the first (`first`) and the empty ones (`blank`) moved to the right."""
    text = budget.text(value)
    count = 1 + sum(map(text.count, LINE_ENDS))
    budget.grow(len(text) + count * (width if isinstance(width, int) else len(width)))
    margin = " " * width if isinstance(width, int) else width
    lines = f"{text}\n".splitlines()
    moved = [margin + line if line or blank else line for line in lines[1:]]
    return "\n".join([margin + lines[0] if first else lines[0], *moved])


def center(budget: Budget, value: Any, width: int = 80, fill: str = " ") -> str:
    """In the middle of a line."""
    return justify(str.center)(budget, value, width, fill)


def justify(method: Callable[[str, int, str], str]) -> Callable[..., str]:
    """`ljust`, `rjust` or `center`, with room asked for first."""

    def justified(budget: Budget, value: Any, width: int, fill: str = " ") -> str:
        text = budget.text(value)
        budget.grow(max(width, len(text)))
        return method(text, width, fill)

    return justified


def zfill(budget: Budget, value: Any, width: int) -> str:
    """Filled up with zeros at the left."""
    text = budget.text(value)
    budget.grow(max(width, len(text)))
    return text.zfill(width)


def format_text(budget: Budget, value: Any, /, *args: Any, **kwargs: Any) -> str:
    """printf-style: `'%s is %.1f' | format(name, load)`."""
    if args and kwargs:
        raise Refusal("format takes values by place or by name, not both")
    return printf(budget, budget.text(value), kwargs or args)


def wordcount(budget: Budget, value: Any) -> int:
    """How many words."""
    return sum(1 for _ in _WORD.finditer(budget.text(value)))


def wordwrap(budget: Budget, value: Any, width: int = 79, wrapstring: str = "\n") -> str:
    """Lines of at most `width` characters; words longer than that are cut."""
    if width < 1:
        raise Refusal("wordwrap needs a width of at least 1")
    wrapped = [row for line in splitlines(budget, value) for row in _rows(line, width)]
    budget.grow(sum(map(len, wrapped)) + len(wrapstring) * len(wrapped))
    return wrapstring.join(wrapped)


def _rows(line: str, width: int) -> Iterator[str]:
    row: list[str] = []
    room = width
    for word in line.split(" "):
        if row and len(word) >= room:
            yield " ".join(row)
            row, room = [], width
        *full, rest = [word[at : at + width] for at in range(0, len(word), width)] or [""]
        yield from full
        if row or rest:
            room -= len(rest) + bool(row)
            row.append(rest)
    if row or not line.strip(" "):
        yield " ".join(row)


def urlencode(budget: Budget, value: Any) -> str:
    """Quoted for a URL; a mapping becomes a query."""
    if isinstance(value, Mapping):
        pairs = [f"{_percent(budget, key, '')}={_percent(budget, value[key], '')}" for key in value]
        return "&".join(pairs).replace("%20", "+")
    return _percent(budget, value, "/")


def _percent(budget: Budget, value: Any, safe: str) -> str:
    data = budget.text(value).encode()
    budget.grow(3 * len(data))
    return quote_from_bytes(data, safe)


def filesizeformat(budget: Budget, value: Any, binary: bool = False) -> str:
    """`13.0 kB`, or with `binary` `12.7 KiB`."""
    size = to_float(budget, value)
    base = 1024 if binary else 1000
    if size == 1:
        return "1 Byte"
    if abs(size) < base:
        return f"{int(size)} Bytes"
    power = min(int(math.log(abs(size), base) + 1e-9), len(_UNITS[binary]))
    return f"{size / base**power:.1f} {_UNITS[binary][power - 1]}{'iB' if binary else 'B'}"


def basename(budget: Budget, value: Any) -> str:
    """The last part of a path."""
    return posixpath.basename(budget.text(value))


def dirname(budget: Budget, value: Any) -> str:
    """A path without its last part."""
    return posixpath.dirname(budget.text(value))


def quote(budget: Budget, value: Any) -> str:
    """One word for a shell, or one word for each item of a list."""
    words = value if isinstance(value, list | tuple) else [value]
    quoted = [shlex.quote(budget.text(word)) for word in words]
    text = " ".join(quoted)
    budget.grow(len(text))
    return text


def to_bool(_: Budget, value: Any) -> bool:
    """True and false from the words people use for them."""
    if not isinstance(value, str):
        return bool(value)
    word = value.strip().lower() if len(value) < 20 else "?"
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise Refusal("the text is neither true nor false", "write true, yes, on, 1, false, no, off or 0")
    return word in TRUE_WORDS


def to_int(budget: Budget, value: Any, default: Any = 0, base: int = 10) -> Any:
    """A whole number; `default` where the value is none."""
    if isinstance(value, str):
        budget.spend(len(value))
    try:
        number = int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        try:
            number = int(float(value))
        except (TypeError, ValueError, OverflowError):
            return default
    if number.bit_length() > MAX_BITS:
        raise TOO_LARGE
    return number


def to_float(budget: Budget, value: Any, default: Any = 0.0) -> Any:
    """A number; `default` where the value is none."""
    if isinstance(value, str):
        budget.spend(len(value))
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return default


def to_round(_: Budget, value: Any, precision: int = 0, method: str = "common") -> Any:
    """Rounded; `method` is common, ceil or floor."""
    if method not in ("common", "ceil", "floor"):
        raise Refusal("round has no such method", "use common, ceil or floor")
    if abs(precision) > 100:
        raise LimitRefusal("round takes a precision of at most 100")
    if isinstance(value, str | list | tuple | Mapping):
        raise Refusal(f"cannot round {kind(value)}", "convert it with | float")
    if method == "common":
        return round(value, precision)
    scale = 10**precision
    return (math.ceil if method == "ceil" else math.floor)(value * scale) / scale
