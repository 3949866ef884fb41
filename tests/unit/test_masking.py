"""Nothing of a secret is left in what a mask has gone over."""

import html
import json
import shlex
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.masking import HIDDEN, Mask

# An asterisk beside one of the mask's own could look like a secret of asterisks.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="*\0")
VALUES = st.text(CHARACTERS, min_size=4, max_size=12)
AROUND = st.text(CHARACTERS, max_size=12)
WAYS: list[Callable[[str], str]] = [
    str,
    repr,
    shlex.quote,
    lambda value: value.replace("'", "'\\''"),
    lambda value: json.dumps(value)[1:-1],
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    lambda value: json.dumps(json.dumps(value))[3:-3],
    quote,
    quote_plus,
    lambda value: quote(value, safe=""),
    html.escape,
    str.upper,
]


def masked(value: str, text: str) -> str:
    mask = Mask()
    mask.add(value)
    return mask.text(text)


@given(VALUES, AROUND, AROUND, st.sampled_from(WAYS))
def test_a_secret_is_hidden_however_it_is_written(
    value: str, before: str, after: str, way: Callable[[str], str]
) -> None:
    """As it is, and as shells, JSON, Python, URLs and HTML write it."""
    written = way(value)
    if way is str.upper and written.lower() != value.lower():
        return  # one of the few letters that have another number of capitals
    left = masked(value, before + written + after)
    assert written not in left
    assert value not in left


@given(VALUES, st.binary(max_size=5), st.binary(max_size=5), st.sampled_from([b64encode, urlsafe_b64encode]))
def test_a_secret_is_hidden_in_base64(
    value: str, before: bytes, after: bytes, encode: Callable[[bytes], bytes]
) -> None:
    """Wherever it stands in what was encoded; at most what is around it is left."""
    left = masked(value, encode(before + value.encode() + after).decode())
    assert HIDDEN in left
    assert len(left.replace(HIDDEN, "").rstrip("=")) <= len(encode(before)) + len(encode(after))


@given(*[st.text("ab", min_size=4, max_size=8)] * 2, st.text("ab", max_size=40))
def test_secrets_that_overlap_are_hidden_both(first: str, second: str, text: str) -> None:
    """What is a part of neither stays."""
    mask = Mask()
    mask.add(first)
    mask.add(second)
    covered = {
        place + offset
        for value in (first, second)
        for place in range(len(text))
        if text.startswith(value, place)
        for offset in range(len(value))
    }
    kept = "".join(letter for place, letter in enumerate(text) if place not in covered)
    assert mask.text(text).replace(HIDDEN, "") == kept


@given(VALUES, st.data())
def test_the_rest_of_a_secret_at_a_cut_is_hidden(value: str, data: st.DataObject) -> None:
    """On the side where the text was cut."""
    size = data.draw(st.integers(1, len(value) - 1))
    mask = Mask()
    mask.add(value)
    assert value[:size] not in mask.cut(f"##{value[:size]}", end=True).replace("##", "")
    assert value[-size:] not in mask.cut(f"{value[-size:]}##", start=True).replace("##", "")
    assert mask.cut("## ", start=True) in ("## ", HIDDEN, f"{HIDDEN} ", f"{HIDDEN}# ")


def test_a_secret_of_several_lines_is_hidden_line_by_line() -> None:
    """Output comes by lines; a line of fewer than four characters stays."""
    mask = Mask()
    mask.add("-----BEGIN-----\n  c2VjcmV0\n}\n")
    assert [mask.text(line) for line in ("-----BEGIN-----", "x c2VjcmV0", "}")] == [
        HIDDEN,
        f"x {HIDDEN}",
        "}",
    ]


def test_data_is_gone_over_to_its_leaves() -> None:
    """Texts, keys, and numbers that hold the digits."""
    mask = Mask()
    mask.add("12345")
    data = {"a": ["x12345", {"12345": 1}], "pin": 123456, "n": 1.5, "yes": True, "none": None}
    assert mask.data(data) == {
        "a": [f"x{HIDDEN}", {HIDDEN: 1}],
        "pin": HIDDEN,
        "n": 1.5,
        "yes": True,
        "none": None,
    }


def test_a_mask_that_hides_nothing_gives_back_what_it_got() -> None:
    """The same object: runs without secrets pay nothing."""
    data = {"a": ["b"]}
    assert Mask().data(data) is data


@pytest.mark.timeout(120)
def test_no_text_takes_long() -> None:
    """A secret of backslashes or per cent signs can be read in many ways, and is tried in none twice."""
    for value in ("\\" * 60 + "x", "%25" * 30 + "x", "'" * 60 + "x"):
        masked(value, value[:-1] * 50)


def test_a_mask_does_not_show_what_it_hides() -> None:
    """Also where it is logged itself."""
    mask = Mask()
    mask.add("hunter22")
    assert "hunter22" not in repr(mask)
