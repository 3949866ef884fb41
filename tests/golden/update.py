"""Writes the generated files beside their documents; with `--check` it says which are stale."""

import sys
from pathlib import Path

from codegen.document import load_file
from codegen.render import render

FOLDER = Path(__file__).parent
DOCUMENTS = sorted(FOLDER.glob("*.yaml"))


def generated(document: Path) -> str:
    """What the generator makes of a document."""
    return render(load_file(document), file=document.name)


def main() -> None:
    """Bring every generated file up to date; with `--check`, say which are not."""
    fresh = {document.with_suffix(".py"): generated(document) for document in DOCUMENTS}
    if "--check" in sys.argv[1:]:
        stale = [file.name for file, text in fresh.items() if not _holds(file, text)]
        sys.exit(f"stale: {', '.join(stale)}; run python -m tests.golden.update" if stale else 0)
    for file, text in fresh.items():
        file.write_text(text, encoding="utf-8", newline="")


def _holds(file: Path, text: str) -> bool:
    return file.exists() and file.read_bytes() == text.encode()


if __name__ == "__main__":
    main()
