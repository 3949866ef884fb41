"""`-p name=value`: text becomes what the parameter's type says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.values import parameter_values
from codegen.errors import ParameterError
from codegen.parameters import Parameter

DECLARED = {
    "text": Parameter(type="string", default=""),
    "count": Parameter(type="integer", default=3, minimum=1, maximum=100, description="How many"),
    "ratio": Parameter(type="number", default=0.5),
    "flag": Parameter(type="boolean", default=False),
    "hosts": Parameter(type="array", default=[]),
    "labels": Parameter(type="object", default={}),
}
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
INTEGERS = st.integers(-(2**63) + 1, 2**63 - 1)
DEFAULTS = {"text": "", "count": 3, "ratio": 0.5, "flag": False, "hosts": [], "labels": {}}


@pytest.mark.parametrize(
    ("given_text", "value"),
    [
        ("text=a b", "a b"),
        ("text=", ""),
        ("text=80", "80"),
        ("text=a=b=c", "a=b=c"),
        ("text=-x", "-x"),
        ("count=7", 7),
        ("count=+7", 7),
        ("count= 7 ", 7),
        ("ratio=2", 2),
        ("ratio=2.5e1", 25.0),
        ("ratio=-0.5", -0.5),
        ("flag=true", True),
        ("flag=Yes", True),
        ("flag=1", True),
        ("flag=OFF", False),
        ('hosts=["a:1", 2, null]', ["a:1", 2, None]),
        ("hosts=[]", []),
        ('labels={"a": {"b": 1}}', {"a": {"b": 1}}),
    ],
)
def test_the_declared_type_decides(given_text: str, value: Any) -> None:
    """A text is read as the type of its parameter; the others keep their defaults."""
    values = parameter_values(DECLARED, [given_text])
    name = given_text.partition("=")[0]
    assert values == {**DEFAULTS, name: value}
    assert type(values[name]) is type(value)


@pytest.mark.parametrize(
    ("given_text", "told"),
    [
        ("count=7.5", ("parameters.count: '7.5' is no integer", "How many")),
        ("count=1_000", ("parameters.count: '1_000' is no integer", "How many")),
        ("count=", ("parameters.count: '' is no integer", "How many")),
        ("count=" + "9" * 5000, ("is no integer",)),
        ("count=500", ("parameters.count: 500 is above the maximum 100", "How many")),
        ("ratio=nan", ("parameters.ratio: 'nan' is no number",)),
        ("ratio=1e999", ("is no number",)),
        ("ratio=1_0.5", ("is no number",)),
        ("flag=maybe", ("'maybe' is no boolean", "write true or false")),
        ("hosts=a,b", ("'a,b' is no array", "write it as JSON")),
        ("hosts={}", ("{} is no array",)),
        ("hosts=[NaN]", ("'[NaN]' is no array", "write it as JSON")),
        ("hosts=" + "[" * 100_000, ("is no array", "write it as JSON")),
        ("labels=[1]", ("[1] is no object",)),
        ("nobody=1", ("parameters.nobody: no such parameter",)),
        ("count", ("'count' has no name or no =", "write -p name=value")),
        ("=7", ("'=7' has no name or no =", "write -p name=value")),
    ],
)
def test_what_does_not_fit_is_named(given_text: str, told: tuple[str, ...]) -> None:
    """The message names the parameter, the value and the cure."""
    with pytest.raises(ParameterError) as caught:
        parameter_values(DECLARED, [given_text])
    assert all(part in str(caught.value) for part in told)
    assert len(caught.value.problems) == 1


def test_all_problems_are_told_at_once() -> None:
    """What can't be read, what doesn't fit, what is unknown and what is missing come in one error."""
    declared = {**DECLARED, "needed": Parameter(type="string")}
    with pytest.raises(ParameterError) as caught:
        parameter_values(declared, ["count=x", "ratio=y", "nobody=1", "flag"])
    assert {problem.path for problem in caught.value.problems} == {
        "parameters.count",
        "parameters.ratio",
        "parameters",
        "parameters.nobody",
        "parameters.needed",
    }


def test_a_value_that_cannot_be_read_is_not_called_missing() -> None:
    """A required parameter with a bad value has one problem, the bad value."""
    with pytest.raises(ParameterError) as caught:
        parameter_values({"needed": Parameter(type="integer")}, ["needed=x"])
    assert [problem.message for problem in caught.value.problems] == ["'x' is no integer"]


@pytest.mark.parametrize("texts", [["count=1", "count=2"], ["count=1", "count=1"]])
def test_a_name_is_given_once(texts: list[str]) -> None:
    """Nobody can tell which of two values is meant."""
    with pytest.raises(ParameterError) as caught:
        parameter_values(DECLARED, texts)
    again = texts[1].partition("=")[2]
    assert [str(problem) for problem in caught.value.problems] == [
        f"parameters.count: it is given twice, again as '{again}' (keep one)"
    ]


@given(TEXTS, st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="="), min_size=1))
def test_any_text_is_a_string_parameters_value(text: str, name: str) -> None:
    """Nothing of a string's text is lost or interpreted."""
    assert parameter_values({name: Parameter()}, [f"{name}={text}"]) == {name: text}


@given(st.recursive(st.none() | st.booleans() | INTEGERS | TEXTS, lambda inner: st.lists(inner)))
def test_json_comes_through_unchanged(value: Any) -> None:
    """An array is what its JSON says."""
    assert parameter_values(DECLARED, [f"hosts={json.dumps([value])}"])["hosts"] == [value]


@given(st.lists(st.text() | st.builds("{}={}".format, st.sampled_from(sorted(DECLARED)), st.text())))
def test_hostile_options_are_values_or_problems(texts: list[str]) -> None:
    """Whatever is written after -p ends as values or as an error that lists problems."""
    told: tuple[object, ...] = ()
    values: dict[str, Any] = {}
    try:
        values = parameter_values(DECLARED, texts)
    except ParameterError as error:
        told = error.problems
    assert bool(told) != (values.keys() == DECLARED.keys())
