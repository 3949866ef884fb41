"""Verdicts as JUnit XML, which every CI reads."""

from collections.abc import Iterable
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rehearsal.verdicts import Verdict
from steps.sound_text import sound_text


def junit(found: Iterable[Verdict]) -> str:
    """A suite per file, a test case per case and engine; known failures are skipped ones."""
    root = Element("testsuites")
    for file, verdicts in groupby(found, key=lambda verdict: verdict.rehearsal.file):
        _suite(root, file, list(verdicts))
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: Element, file: str, verdicts: list[Verdict]) -> None:
    failures = sum(not verdict.passed for verdict in verdicts)
    skipped = sum(verdict.passed and verdict.known is not None for verdict in verdicts)
    counts = {"tests": len(verdicts), "failures": failures, "skipped": skipped, "errors": 0}
    suite = SubElement(root, "testsuite", {"name": file, **{key: str(n) for key, n in counts.items()}})
    for verdict in verdicts:
        name = f"{verdict.rehearsal.case.name} ({verdict.engine})"
        seconds = f"{verdict.seconds:.3f}"
        case = SubElement(suite, "testcase", {"classname": file, "name": sound(name), "time": seconds})
        if not verdict.passed:
            lines = verdict.lines()
            SubElement(case, "failure", {"message": sound(lines[0])}).text = sound("\n".join(lines))
        elif verdict.known is not None:
            SubElement(case, "skipped", {"message": sound(verdict.known)})


def sound(text: str) -> str:
    """Text that XML can hold."""
    kept = (c if c in "\n\t" or c >= " " else " " for c in sound_text(text))
    return "".join(c for c in kept if c not in "￾￿")
