"""What goes wrong with expressions and templates.

ExpressionError
├── ExpressionSyntaxError    the text can't be read
└── ExpressionValueError     the text can't be evaluated with these values
    └── LimitExceeded        it would loop, grow or work beyond the sandbox's limits
"""

SHOWN = 120


class Refusal(Exception):
    """What the sandbox refuses, said before the text it stands in is known."""

    def __init__(self, problem: str, cure: str = "") -> None:
        super().__init__(problem, cure)
        self.problem = problem
        self.cure = cure


class LimitRefusal(Refusal):
    """A value or a loop that would grow too large."""


class SyntaxRefusal(Refusal):
    """A construct that the language doesn't have; `line` counts from 1."""

    def __init__(self, problem: str, cure: str = "", line: int | None = None) -> None:
        super().__init__(problem, cure)
        self.line = line


class ExpressionError(Exception):
    """An expression or template that can't be used; `line` counts from 1 within `text`."""

    def __init__(self, text: str, problem: str, line: int | None = None, cure: str = "") -> None:
        super().__init__(text, problem, line, cure)
        self.text = text
        self.problem = problem
        self.line = line
        self.cure = cure

    def __str__(self) -> str:
        where = f", line {self.line}" if self.line and "\n" in self.text.strip() else ""
        cure = f" ({self.cure})" if self.cure else ""
        return f'{self.problem}{cure}, in "{excerpt(self.text, self.line)}"{where}'


class ExpressionSyntaxError(ExpressionError):
    """The text is no expression or template of this language."""


class ExpressionValueError(ExpressionError):
    """The text can't be evaluated with the values at hand."""


class LimitExceeded(ExpressionValueError):
    """Evaluating the text would take more time or memory than the sandbox grants."""


def excerpt(text: str, line: int | None = None) -> str:
    """The text on one line of at most 120 characters; of a long text, the line in question."""
    lines = text.split("\n")
    if line and len(text) > SHOWN and line <= len(lines):
        text = lines[line - 1]
    shown = " ".join(text[: SHOWN * 4].split())
    return shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 1]}…"
