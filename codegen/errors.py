"""The error tree of the language.

CodegenError
├── DocumentError        one or more problems of a document, each with path, place and cure
├── ParameterError       problems of the values handed to a run
├── PolicyError          a routing policy that can't be used
├── RoutingError         no engine can run this document
└── RegistryError        a generated flow that is missing or was changed
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

LONGEST_PATH = 200


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, where it is, and what mends it."""

    path: str
    message: str
    cure: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file or 'document'}:{self.line}:{self.column}: " if self.line else ""
        where = f"{_shortened(self.path)}: " if self.path else ""
        cure = f" ({self.cure})" if self.cure else ""
        return f"{place}{where}{self.message}{cure}"

    def at(self, file: str, line: int, column: int) -> "Problem":
        """The same problem, placed in a file."""
        return replace(self, file=file, line=line, column=column)


def _shortened(path: str) -> str:
    """A path for people: keys can be as long as a document."""
    return (
        path if len(path) <= LONGEST_PATH else f"{path[: LONGEST_PATH // 2]}...{path[-LONGEST_PATH // 2 :]}"
    )


class CodegenError(Exception):
    """What the language refuses."""


class ProblemsError(CodegenError):
    """An error that lists every problem at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type["ProblemsError"], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class DocumentError(ProblemsError):
    """A document that can't be run as it stands."""


class ParameterError(ProblemsError):
    """Values that don't fit the document's parameters or targets."""


class PolicyError(ProblemsError):
    """A routing policy that can't be used."""


class RoutingError(CodegenError):
    """No engine can run the document as asked."""


class RegistryError(CodegenError):
    """A generated flow is missing, or differs from what was generated."""
