"""Secrets in a stream of bytes: hidden wherever its pieces end, as the mask hides them in its whole text."""

import json
from base64 import b64encode
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.masked_stream import MaskedStream
from steps.masking import Mask

SECRETS = ("hunter2", "p@ss wörd/%", "aaaa", "first line\nsecond line")
SPELLINGS = [
    spelled
    for secret in SECRETS
    for spelled in (
        secret,
        secret.upper(),
        quote(secret, safe=""),
        json.dumps(secret),
        json.dumps(json.dumps(secret)),
        b64encode(f"user:{secret}".encode()).decode(),
    )
]
texts = st.lists(st.one_of(st.sampled_from(SPELLINGS), st.text(max_size=8), st.sampled_from("a\n"))).map(
    "".join
)


def mask(*secrets: str) -> Mask:
    made = Mask()
    for secret in secrets:
        made.add(secret)
    return made


def shown(hidden: Mask, data: bytes, cuts: list[int]) -> bytes:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    stream = MaskedStream(hidden)
    return b"".join([*(stream.feed(data[start:end]) for start, end in pairwise(places)), stream.rest()])


@given(texts, st.lists(st.integers(0, 5000), max_size=30), st.integers(0, 3))
def test_pieces_change_nothing(text: str, cuts: list[int], repeated: int) -> None:
    """Cut anywhere, also within a secret, a spelling of one, or a character."""
    hidden, text = mask(*SECRETS), text * 8**repeated
    data = text.encode("utf-8", "replace")
    assert shown(hidden, data, cuts) == hidden.text(data.decode()).encode()


@given(st.binary(max_size=400), st.binary(max_size=400), st.lists(st.integers(0, 1000), max_size=10))
def test_other_bytes_stay_as_they_are(before: bytes, after: bytes, cuts: list[int]) -> None:
    """Also those that are no text, on both sides of a secret."""
    hidden = mask("Hunter-2!")
    data = before + b"\nHunter-2!\n" + after
    assert shown(hidden, data, cuts) == before + b"\n***\n" + after


@pytest.mark.parametrize("size", [1, 7, 4096, 65_536])
def test_a_long_stream(size: int) -> None:
    """A secret every few bytes, in pieces of one size."""
    data = b"<hunter2> and then some text\n" * 20_000
    hidden = mask("hunter2")
    cuts = list(range(0, len(data), size)) if size > 1 else list(range(3000))
    assert shown(hidden, data, cuts) == b"<***> and then some text\n" * 20_000


def test_one_secret_without_an_end() -> None:
    """Places that overlap are one place, however long; memory does not grow with it."""
    stream = MaskedStream(mask("aaaa"))
    assert (
        b"".join([*(stream.feed(b"a" * 10_000) for _ in range(50)), stream.feed(b"b"), stream.rest()])
        == b"***b"
    )


def test_nothing_is_held_back_where_nothing_is_hidden() -> None:
    """Who looks at the file sees what came."""
    stream = MaskedStream(Mask())
    assert stream.feed(b"a\xff") == b"a\xff"
    assert stream.rest() == b""


def test_a_secret_is_hidden_from_where_it_is_known() -> None:
    """What was shown before can't be taken back."""
    hidden = mask()
    stream = MaskedStream(hidden)
    seen = stream.feed(b"hunter2 ")
    hidden.add("hunter2")
    assert seen + stream.feed(b"hunter2") + stream.rest() == b"hunter2 ***"
