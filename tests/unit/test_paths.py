"""Paths into a document: as text and back, and in the order of a reader."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.groups import walk
from codegen.paths import parts, sort_key, written
from codegen.workflow import Workflow
from tests.unit.documents import step

PATHS = st.lists(st.text(st.characters()) | st.integers(0, 10_000), max_size=6).map(tuple)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("steps", 2, "retry", "attempts"), "steps[2].retry.attempts"),
        (("steps", 0, "then", 1), "steps[0].then[1]"),
        (("metadata", "a b", "c-d", "e.f", ""), 'metadata["a b"].c-d["e.f"][""]'),
        (("env", 'say "]["'), 'env["say \\"][\\""]'),
    ],
)
def test_a_path_is_written_the_way_people_write_it(path: tuple[str | int, ...], text: str) -> None:
    """Keys that are no plain words are quoted."""
    assert written(path) == text
    assert parts(text) == path


@settings(deadline=None)
@given(path=PATHS)
def test_every_path_reads_back(path: tuple[str | int, ...]) -> None:
    """Whatever the keys are."""
    assert parts(written(path)) == path


def test_a_reader_counts_two_before_ten() -> None:
    """Numbers are numbers, and a key comes before what is in it."""
    texts = ["steps[10]", "steps[2].retry", "steps[2]", "steps", "name"]
    assert sorted(texts, key=lambda text: sort_key(parts(text))) == texts[::-1]


def test_steps_are_found_where_their_paths_say() -> None:
    """In cases of any name too."""
    switch = step("s", "switch", value="x", cases={"a.b]": [step("c")]}, default=[step("d")])
    workflow = Workflow.model_validate({"name": "x", "steps": [switch]})
    assert [(path, parts(path), one.id) for path, one in walk(workflow.steps)] == [
        ("steps[0]", ("steps", 0), "s"),
        ('steps[0].cases["a.b]"][0]', ("steps", 0, "cases", "a.b]", 0), "c"),
        ("steps[0].default[0]", ("steps", 0, "default", 0), "d"),
    ]
