"""`doctor`: examines the whole installation, and says what is wrong with it, why, and what mends it."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from cli import output
from cli.failures import Exit
from cli.options import Json
from control.home import Home, HomeError, Installation
from control.options import BadSetting, Options
from doctor.examination import Result, not_checked
from doctor.findings import Finding, State

_SYMBOLS: dict[State, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "error": ("✗", "red"),
    "skipped": ("?", "dim"),
}
_TITLES = {
    "settings": "Settings",
    "home": "Home",
    "documents": "Documents",
    "packages": "Packages",
    "prefect": "Prefect",
    "broker": "Broker",
    "results": "Result backend",
    "workers": "Workers",
}


def doctor(*, as_json: Json = False) -> int:
    """Examine the whole installation: what is wrong, why, and what mends it."""
    home = Home.from_environment()
    output.say(f"Examining the installation in {home.path} ...")
    results = _examined(home)
    if as_json:
        output.print_json(_as_json(home, results))
    else:
        output.standard_output().print(table_of(results))
    _conclude(results)
    return exit_code(results)


def exit_code(results: Iterable[Result]) -> Exit:
    """Whether there are errors; nothing could be judged at all: UNREACHABLE."""
    states = {one.finding.state for one in results}
    if "error" in states:
        return Exit.FAILED
    return Exit.DONE if states - {"skipped"} else Exit.UNREACHABLE


def _examined(home: Home) -> list[Result]:
    from doctor.checks import examined, refused
    from doctor.site import Site
    from flows.documents import folders

    environment = dict(os.environ)
    try:
        options = Options.from_environment(environment)
    except BadSetting as error:
        return refused(Site(home, environment, Options(), None, folders()), str(error))
    return examined(Site(home, environment, options, _running(home), folders()))


def _running(home: Home) -> Installation | None:
    try:
        return home.installation()
    except HomeError:
        return None  # which is found again, and told, by the look at the services


def _as_json(home: Home, results: Sequence[Result]) -> dict[str, Any]:
    counts = Counter(one.finding.state for one in results)
    return {
        "home": str(home.path),
        "healthy": exit_code(results) == Exit.DONE,
        "counts": {state: counts[state] for state in ("error", "warning", "skipped", "ok")},
        "findings": [{"part": one.part, "check": one.check, **asdict(one.finding)} for one in results],
    }


def table_of(results: Sequence[Result]) -> Table:
    """What was found, part by part."""
    table = Table("", "what", "why", "what to do")
    for part, title in _TITLES.items():
        here = [one for one in results if one.part == part]
        if here:
            table.add_section()
            table.add_row("", Text(title, style="bold"))
        for finding in _gathered(here):
            symbol, style = _SYMBOLS[finding.state]
            texts = (finding.what, finding.cause, finding.cure)
            table.add_row(Text(symbol, style=style), *map(_cell, texts))
    return table


def _gathered(results: Sequence[Result]) -> Iterator[Finding]:
    """The findings of a part; checks that could not be made for one and the same reason are one row."""
    absent: dict[str, list[str]] = {}
    for one in results:
        if one.finding.what == not_checked(one.check):
            absent.setdefault(one.finding.cause, []).append(one.check)
        else:
            yield one.finding
    for cause, names in absent.items():
        yield Finding("skipped", not_checked(", ".join(dict.fromkeys(names))), cause)


def _cell(text: str) -> Text:
    return Text(output.printable(text))


def _conclude(results: Sequence[Result]) -> None:
    counts = Counter(one.finding.state for one in results)
    output.say(_summary(counts), style="red" if counts["error"] else "green")


def _summary(counts: Counter[State]) -> str:
    def many(state: "State", noun: str) -> str:
        return f"{counts[state]} {noun}{'' if counts[state] == 1 else 's'}"

    skipped = f", {counts['skipped']} not checked" if counts["skipped"] else ""
    if not counts["error"] and not counts["warning"]:
        return f"All is well: {many('ok', 'check')}{skipped}."
    return f"{many('error', 'error')}, {many('warning', 'warning')}, {counts['ok']} in order{skipped}."
