"""What reaches the terminal."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.output import print_json, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("back\x08\x7fspace\r", "backspace"),
        ("\x9b31mc1", "31mc1"),
        ("ünïcode ✓ 日本", "ünïcode ✓ 日本"),
        ("[bold]no markup[/bold]", "[bold]no markup[/bold]"),
    ],
)
def test_sequences_for_terminals_are_taken_out(text: str, shown: str) -> None:
    """Colours and cursor movements in a step's output don't reach the terminal; all else does."""
    assert printable(text) == shown


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    """Of the control characters only tab and newline are shown."""
    left = {character for character in printable(text) if unicodedata.category(character) == "Cc"}
    assert left <= {"\t", "\n"}


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_json_on_standard_output_is_one_value(data: dict[str, object]) -> None:
    """What is printed reads back as what was given."""
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("sys.stdout", _Collector(written))
        print_json(data)
    assert json.loads("".join(written)) == data


class _Collector:
    """A text stream into a list."""

    def __init__(self, written: list[str]) -> None:
        self._written = written

    def write(self, text: str) -> int:
        self._written.append(text)
        return len(text)

    def flush(self) -> None:
        """Everything is written at once."""
