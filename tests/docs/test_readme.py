"""The README shows what the project does, not what it did once."""

import re
from pathlib import Path

from codegen.document import load, warnings
from codegen.render import render

README = (Path(__file__).parents[2] / "README.md").read_text()


def block(language: str) -> str:
    """The first code block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1)


def test_the_python_beside_the_document_is_what_it_becomes() -> None:
    """Word for word, from the first task to the end of the flow."""
    source = render(load(block("yaml")))
    assert block("python") in source
    assert block("python").startswith("@task")
    assert block("python").rstrip().endswith("return await run.finish()")


def test_the_document_is_one_without_warnings() -> None:
    """What people copy first is exemplary."""
    assert warnings(load(block("yaml"))) == ()
