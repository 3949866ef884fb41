"""The cases of the conformance suite: one rule each, and whole documents in `tests/golden`."""

from pathlib import Path

from rehearsal.reading import Rehearsal, read_file

FOLDER = Path(__file__).parent
WHOLE = FOLDER.parent / "golden" / "tests"
BEHAVIOUR = "behaviour"
"""The key of a document's metadata that tells a rehearsing worker how its steps behave."""


def all_cases() -> dict[str, Rehearsal]:
    """Every case by its place: `race: two of three`."""
    return {
        f"{file.name.split('.')[0]}: {rehearsal.case.name}": rehearsal
        for folder in (FOLDER, WHOLE)
        for file in sorted(folder.glob("*.test.yaml"))
        for rehearsal in read_file(file)
    }
