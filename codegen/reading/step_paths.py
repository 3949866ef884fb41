"""Which step a path of a document lies in."""

from codegen.paths import Path

STEP_LISTS = frozenset({"steps", "then", "else", "default", "on_failure", "finally", "rollback"})


def step_around(path: Path) -> Path | None:
    """The path of the innermost step that a path of one document lies in."""
    end = at = 0
    while at + 1 < len(path):
        width = {"cases": 3, "on_error": 1}.get(str(path[at]), 2 if path[at] in STEP_LISTS else 0)
        at += width
        if not width or at > len(path):
            break
        if width > 1 and isinstance(path[at - 1], int):
            end = at
    return path[:end] or None


def document_around(path: Path) -> Path:
    """The path of the innermost document, of those that documents hold, that a path lies in."""
    at = 0
    while path[at : at + 1] == ("workflows",) and at + 1 < len(path):
        at += 2
    return path[:at]
