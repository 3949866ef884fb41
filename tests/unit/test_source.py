"""Values written as Python are the same values when Python reads them."""

import ast
import inspect
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.source import LINE, columns, docstring, literal, prose

TEXTS = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("\"'\\\n\t {}#%\0\r\u2028\u202eNxu")), max_size=60
)
WORDY = st.text(alphabet="ab '\"\\\n磁", max_size=400)
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | WORDY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=1000)
@given(DATA, st.integers(0, 130))
def test_a_literal_is_read_as_the_value_it_was_made_of(value: Any, column: int) -> None:
    """Any JSON data, wherever on the line it stands; the types are the same too."""
    read = ast.literal_eval(literal(value, column))
    assert repr(read) == repr(value)


def test_tuples_become_lists() -> None:
    """JSON has no tuples."""
    assert literal(("a", ("b",))) == "['a', ['b']]"


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, b"x", {1}, {1: 2}, object()])
def test_what_is_no_json_is_refused(value: Any) -> None:
    """Nothing is written that would be read as something else."""
    with pytest.raises(TypeError, match="is no JSON data"):
        literal([value])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "'plain'"),
        ("one\ntwo\n", '"""\\\none\ntwo\n"""'),
        ("ends with \\\nback\\slashes", '"""\\\nends with \\\\\nback\\\\slashes"""'),
        ("\n", "'\\n'"),
        ("trailing \nspace", "(\n    'trailing \\n'\n    'space'\n)"),
        ("tab\tin\nlines", "(\n    'tab\\tin\\n'\n    'lines'\n)"),
        ('quotes """\nin lines', "(\n    'quotes \"\"\"\\n'\n    'in lines'\n)"),
        ("\u202e", "'\\u202e'"),
    ],
)
def test_texts_are_as_readable_as_is_safe(text: str, expected: str) -> None:
    """Lines stand as lines where nothing in them is invisible or ends the literal."""
    assert literal(text) == expected


@settings(deadline=None)
@given(
    WORDY.filter(lambda text: '"' not in text and "'" not in text and "\\" not in text), st.integers(0, 60)
)
def test_long_texts_are_broken_to_fit_the_line(text: str, column: int) -> None:
    """No line of a literal is longer than a line may be."""
    for line in literal(text, column).split("\n"):
        assert columns(line) <= LINE


@settings(deadline=None, max_examples=2000)
@given(TEXTS | WORDY, st.sampled_from([0, 4, 8]))
def test_a_docstring_says_what_the_text_says(text: str, indent: int) -> None:
    """But for white space at line ends, which `inspect.cleandoc` does not always keep either."""
    plain = "\n".join(line.rstrip() for line in text.expandtabs().split("\n"))
    written = docstring(text, indent)
    assert inspect.cleandoc(ast.literal_eval(written)) == inspect.cleandoc(plain)
    function = f"def f():\n{' ' * 4}{docstring(text, 4)}\n"
    assert ast.get_docstring(ast.parse(function)) is None
    assert len(ast.parse(function).body) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plain.", '"""Plain."""'),
        ('"Quoted"', '"""\\"Quoted\\""""'),
        ('Some """ inside', '"""Some \\"\\"\\" inside"""'),
        ("A \\ backslash \\", '"""A \\\\ backslash \\\\"""'),
        ("Two\n\n  lines.", '"""Two\n\n      lines.\n    """'),
        ("Bell \a and \u202e", '"""Bell \\x07 and \\u202e"""'),
    ],
)
def test_docstrings_escape_only_what_they_must(text: str, expected: str) -> None:
    """Quotes at the ends and in threes, backslashes, and what is invisible."""
    assert docstring(text, 4) == expected


@settings(deadline=None)
@given(WORDY)
def test_prose_keeps_every_word(text: str) -> None:
    """Lines are broken between words; no word is lost, changed or moved."""
    assert prose(text).split() == text.split()


@settings(deadline=None)
@given(
    st.text(alphabet="ab 磁", max_size=400).filter(lambda text: max(map(len, text.split()), default=0) < 20)
)
def test_prose_fits_its_lines(text: str) -> None:
    """Wide characters count twice."""
    assert all(columns(line) <= LINE - 4 for line in prose(text, 4).split("\n"))


def test_prose_refills_a_paragraph_with_a_long_line() -> None:
    """The rest of a long line does not stand alone; lists, margins and other paragraphs stay."""
    long = "word " * 21 + "end"
    text = f"short\nlines\n\n{long}\ngoes on\n- an item\n- {long}\n  deeper\n\nlast"
    assert prose(text).split("\n") == [
        "short",
        "lines",
        "",
        "word " * 19 + "word",
        "word end goes on",
        "- an item",
        "- " + "word " * 19 + "word",
        "word end",
        "  deeper",
        "",
        "last",
    ]


def test_what_stands_in_a_mapping_has_the_room_of_its_line() -> None:
    """The name of a list takes nothing from the texts inside it: they stand on lines of their own."""
    text = "sixty columns " * 5
    assert "\n" not in literal({"a name of some length": [{"another one, in a list": {"x": text}}]})


def test_long_templates_are_broken_between_expressions() -> None:
    """An expression is cut only where it does not fit on a line of its own."""
    text = (
        "a command with a long beginning, so that the line is full here: " + "{{ params.first | trim }} " * 3
    )
    pieces = [line.strip() for line in literal(text, 40).split("\n")[1:-1]]
    assert all(piece.count("{{") == piece.count("}}") for piece in pieces)
    assert "\n" in literal("{{ " + "params.first ~ " * 20 + "'' }}")
