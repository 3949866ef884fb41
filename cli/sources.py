"""Where the commands find a document: a file, standard input (`-`), or a name in the document folders."""

import sys
from pathlib import Path

from codegen.errors import DocumentError, Problem
from codegen.limits import MOST_BYTES, too_large
from codegen.reading.source_text import read_text
from codegen.workflow import Workflow
from flows.documents import folders, found, known, read, understood

STANDARD_INPUT = "-"


def opened(file: str) -> Workflow:
    """The document and those that it runs, checked. Raises DocumentError with everything that is wrong."""
    if file == STANDARD_INPUT:
        return read(_standard_input(), "<stdin>")
    path = Path(file)
    if _exists(path):
        return read(read_text(path), str(path))
    where = folders()
    if file in known(where) or _is_in(file, where):
        return understood(file)
    raise DocumentError([_nothing_there(file, where)])


def text_of(file: str) -> str | None:
    """The text of a document that was opened; None where it can't be read a second time."""
    if file == STANDARD_INPUT:
        return None
    path = Path(file)
    return (path if _exists(path) else found(file, folders())).read_text("utf-8")


def shown_name(file: str) -> str:
    """How messages name the place."""
    return "<stdin>" if file == STANDARD_INPUT else file


def _standard_input() -> str:
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise DocumentError([too_large(len(data)).at("<stdin>", 1, 1)])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = Problem("", f"byte {error.start + 1} is no UTF-8", "save the document as UTF-8")
        raise DocumentError([problem.at("<stdin>", 1, 1)]) from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _is_in(name: str, where: tuple[Path, ...]) -> bool:
    return "\n" not in name and any(_exists(folder / name) for folder in where)


def _nothing_there(file: str, where: tuple[Path, ...]) -> Problem:
    names = ", ".join(known(where)) or "none"
    return Problem(
        "",
        f"there is no file {file!r:.300}, nor a document of that name in {', '.join(map(str, where))}",
        f"known documents: {names}; OPSCONDUCTOR_WORKFLOWS names other folders",
    )
