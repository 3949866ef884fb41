"""Writes the generated files beside their documents: `python -m tests.golden.update`."""

from pathlib import Path

from codegen.document import load_file
from codegen.render import render

FOLDER = Path(__file__).parent
DOCUMENTS = sorted(FOLDER.glob("*.yaml"))


def generated(document: Path) -> str:
    """What the generator makes of a document."""
    return render(load_file(document), file=document.name)


def main() -> None:
    """Bring every generated file up to date."""
    for document in DOCUMENTS:
        document.with_suffix(".py").write_text(generated(document), encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
