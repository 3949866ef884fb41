"""`validate`: everything that is wrong with some documents."""

from dataclasses import asdict, dataclass
from typing import Any

from cli import output
from cli.failures import Exit, UsageError
from cli.options import File, Json
from cli.sources import opened, shown_name, text_of
from codegen.document import placed, warnings
from codegen.errors import DocumentError, Problem


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is to be said of one document."""

    file: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def lines(self) -> list[str]:
        """One line per finding, in the form that editors jump to."""
        wrong = [located(problem, self.file) for problem in self.problems]
        return wrong + [located(warning, self.file, "warning: ") for warning in self.warnings]

    def to_json(self) -> dict[str, Any]:
        """JSON data."""
        return {
            "file": self.file,
            "valid": not self.problems,
            "problems": [asdict(problem) for problem in self.problems],
            "warnings": [asdict(warning) for warning in self.warnings],
        }


def validate(*files: File, as_json: Json = False) -> int:
    """Report everything that is wrong with some documents, as `file:line:col: path: message (cure)`."""
    if not files:
        raise UsageError("validate needs at least one FILE (`opsconductor validate --help` shows more).")
    verdicts = [_verdict(file) for file in files]
    if as_json:
        output.print_json({"files": [verdict.to_json() for verdict in verdicts]})
    for verdict in verdicts if not as_json else ():
        for line in verdict.lines():
            output.write_text(line)
    wrong = sum(bool(verdict.problems) for verdict in verdicts)
    output.say(_summary(len(verdicts), wrong, verdicts), style="red" if wrong else "green")
    return Exit.BAD_INPUT if wrong else Exit.DONE


def located(problem: Problem, file: str, mark: str = "") -> str:
    """A finding on one line: `disk.yaml:3:5: steps[0].id: ... (cure)`."""
    place = f"{problem.file or file}:{problem.line or 1}:{problem.column or 1}: "
    bare = problem.at(problem.file, 0, 0)
    return output.printable(f"{place}{mark}{bare}".replace("\n", " "))


def _verdict(file: str) -> _Verdict:
    name = shown_name(file)
    try:
        doubts = warnings(opened(file))
        text = text_of(file) if doubts else None
        return _Verdict(name, warnings=doubts if text is None else placed(doubts, text, file=name))
    except DocumentError as error:
        return _Verdict(name, problems=error.problems)


def _summary(count: int, wrong: int, verdicts: list[_Verdict]) -> str:
    warned = sum(len(verdict.warnings) for verdict in verdicts)
    documents = f"{count} document{'' if count == 1 else 's'}"
    told = f"; {warned} warning{'' if warned == 1 else 's'}" if warned else ""
    if not wrong:
        return f"{documents}: all is well{told}."
    problems = sum(len(verdict.problems) for verdict in verdicts)
    return f"{documents}: {problems} problem{'' if problems == 1 else 's'} in {wrong}{told}."
