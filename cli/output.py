"""What the commands print: results on standard output, everything said meanwhile on standard error."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Text of a workflow as a terminal may show it: no sequence in it moves the cursor or changes colours."""
    return _CONTROL.sub("", _TERMINAL_SEQUENCE.sub("", text))


def standard_output() -> Console:
    """Where results go."""
    return _console(sys.stdout)


def standard_error() -> Console:
    """Where everything else goes."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    # A file or a pipe has no width: what is read there by others is better not cut.
    width = None if stream.isatty() else 200
    return Console(file=stream, width=width, highlight=False, soft_wrap=True, markup=False, emoji=False)


def say(text: str, style: str = "") -> None:
    """One message to the person in front of the terminal."""
    standard_error().print(Text(printable(text), style=style))


def print_json(data: Mapping[str, Any] | Sequence[Any]) -> None:
    """One JSON value on standard output."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def print_json_line(data: Mapping[str, Any]) -> None:
    """One JSON value on one line of standard output."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def write_text(text: str) -> None:
    """Text as it is on standard output, with a line end."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    sys.stdout.flush()


def tolerate_all_characters() -> None:
    """Print what the terminal's encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
