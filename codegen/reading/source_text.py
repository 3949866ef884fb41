"""The text of a document, refused before it is parsed where it can't be one."""

import re
import stat
from pathlib import Path

from codegen.errors import DocumentError, Problem
from codegen.limits import MOST_BYTES, too_large

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NOT_ALLOWED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")


def read_text(path: Path) -> str:
    """The text of a file; one that is too large is refused without reading it."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no ordinary file"
            raise _refused(str(path), Problem("", f"this is {what}", "name a YAML or JSON file"))
        if status.st_size > MOST_BYTES:
            raise _refused(str(path), too_large(status.st_size))
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = Problem("", f"the file can't be read: {reason}", "check its path")
        raise _refused(str(path), problem) from error
    if len(data) > MOST_BYTES:
        raise _refused(str(path), too_large(len(data)))
    return _decoded(data, str(path))


def check_text(text: str, file: str) -> None:
    """DocumentError if a text is empty, too long or holds characters that no document has."""
    size = len(text) if len(text) > MOST_BYTES else len(text.encode(errors="replace"))
    if size > MOST_BYTES:
        raise _refused(file, too_large(size))
    if text.startswith("\ufeff"):
        problem = Problem("", "the text begins with a byte order mark", "save it as UTF-8 without BOM")
        raise _refused(file, problem)
    if found := _NOT_ALLOWED.search(text):
        line = text.count("\n", 0, found.start()) + 1
        column = found.start() - (text.rfind("\n", 0, found.start()) + 1) + 1
        what = "a NUL character" if found[0] == "\0" else f"the character U+{ord(found[0]):04X}"
        problem = Problem("", f"the text holds {what}", "take it out, or write it as an escape")
        raise DocumentError([problem.at(file, line, column)])
    if not text.strip():
        raise _refused(file, Problem("", "the document is empty", "it needs at least a name and steps"))


def _decoded(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
        coding = "UTF-16" if data.startswith(_UTF16) else "not UTF-8"
        problem = Problem("", f"the file is {coding}", "save it as UTF-8")
        raise DocumentError([problem.at(file, line, column)]) from error


def _refused(file: str, problem: Problem) -> DocumentError:
    return DocumentError([problem.at(file, 1, 1)])
