"""`test`: the authors' own tests of their workflows."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from cli import output
from cli.failures import Exit, UsageError
from cli.options import Json
from codegen.decision import ENGINES, EngineName
from codegen.errors import DocumentError, Problem
from rehearsal.junit import junit
from rehearsal.reading import Rehearsal, read_file
from rehearsal.running import verdicts
from rehearsal.verdicts import Verdict


def run_tests(
    *files: Annotated[str, Parameter(help="Test files: NAME.test.yaml or .json.")],
    engine: Annotated[
        EngineName | None, Parameter(show_default=False, help="Only as this engine runs it.")
    ] = None,
    junit_file: Annotated[
        str | None, Parameter(name="--junit", help="Write the results there, for CI, as JUnit XML.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Run the cases of test files: steps are pretended, nothing is touched, and no time passes."""
    if not files:
        raise UsageError("test needs at least one FILE (`opsconductor test --help` shows more).")
    rehearsals = _read(files)
    found = list(verdicts(rehearsals, ENGINES if engine is None else (engine,)))
    if junit_file is not None:
        _write(Path(junit_file), junit(found))
    if as_json:
        output.print_json(_as_json(found))
    else:
        output.standard_output().print(_table(found))
        for verdict in found:
            _explain(verdict)
    failed = sum(not verdict.passed for verdict in found)
    output.say(_summary(len(found), failed), style="red" if failed else "green")
    return Exit.FAILED if failed else Exit.DONE


def _read(files: Iterable[str]) -> list[Rehearsal]:
    """All cases of all files, or all their mistakes."""
    rehearsals: list[Rehearsal] = []
    problems: list[Problem] = []
    for file in files:
        try:
            rehearsals += read_file(Path(file))
        except DocumentError as error:
            problems += error.problems
    if problems:
        raise DocumentError(problems)
    return rehearsals


def _table(found: Iterable[Verdict]) -> Table:
    """A row per case, a column per engine."""
    engines = sorted({verdict.engine for verdict in found})
    table = Table("file", "case", *engines, box=None, pad_edge=False, header_style="bold")
    rows: dict[tuple[str, str], dict[str, Text]] = {}
    for verdict in found:
        row = rows.setdefault((verdict.rehearsal.file, verdict.rehearsal.case.name), {})
        row[verdict.engine] = _mark(verdict)
    for (file, case), marks in rows.items():
        cells = [Text(output.printable(text)) for text in (file, case)]
        table.add_row(*cells, *(marks.get(engine, Text("-")) for engine in engines))
    return table


def _mark(verdict: Verdict) -> Text:
    if not verdict.passed:
        return Text("failed", style="red")
    return Text("known", style="yellow") if verdict.known is not None else Text("passed", style="green")


def _explain(verdict: Verdict) -> None:
    if verdict.passed:
        return
    console = output.standard_output()
    where = f"{verdict.rehearsal.file}: {verdict.rehearsal.case.name} ({verdict.engine})"
    console.print(Text(output.printable(where), style="bold"))
    if verdict.known is not None:
        console.print(Text(output.printable(f"  {verdict.lines()[0]}")))
    for difference in verdict.differences:
        for key, value in (("expected", difference.expected), ("found", difference.found)):
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            what = difference.what if key == "expected" else " " * len(difference.what)
            console.print(Text(output.printable(f"  {what}  {key:8}  {shown}")))


def _as_json(found: Iterable[Verdict]) -> dict[str, Any]:
    return {
        "cases": [
            {
                "file": verdict.rehearsal.file,
                "case": verdict.rehearsal.case.name,
                "engine": verdict.engine,
                "passed": verdict.passed,
                "known": verdict.known,
                "seconds": round(verdict.seconds, 3),
                "differences": [
                    {"what": one.what, "expected": one.expected, "found": one.found}
                    for one in verdict.differences
                ],
            }
            for verdict in found
        ]
    }


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror or error}.") from error


def _summary(count: int, failed: int) -> str:
    runs = f"{count} run{'' if count == 1 else 's'}"
    return f"{runs}: {failed} not as expected." if failed else f"{runs}: all as expected."
