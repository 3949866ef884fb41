"""Parameters: what a declaration may say, and which values a run may bring."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.errors import ParameterError
from codegen.parameters import Parameter, check_values
from tests.unit.documents import refusal, step


def declared(**keys: Any) -> Parameter:
    return Parameter.model_validate(keys)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ({}, "any text"),
        ({"type": "integer"}, 80),
        ({"type": "number"}, 80),
        ({"type": "number"}, 80.5),
        ({"type": "boolean"}, True),
        ({"type": "array"}, [1, "a"]),
        ({"type": "object"}, {"a": 1}),
        ({"type": "integer", "minimum": 1, "maximum": 100}, 100),
        ({"enum": ["a", "b"]}, "b"),
        ({"pattern": "[a-z]+"}, "abc"),
        ({"pattern": "(?i)abc|d"}, "ABC"),
    ],
)
def test_a_value_that_fits_is_kept_as_it_is(keys: dict[str, Any], value: object) -> None:
    """Nothing is converted."""
    assert check_values({"x": declared(**keys)}, {"x": value}) == {"x": value}


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        ({}, 5, "5 is no string"),
        ({"type": "integer"}, 80.5, "80.5 is no integer"),
        ({"type": "integer"}, "80", "'80' is no integer"),
        ({"type": "integer"}, True, "true is no integer"),
        ({"type": "number"}, False, "false is no number"),
        ({"type": "boolean"}, 1, "1 is no boolean"),
        ({"type": "array"}, "abc", "'abc' is no array"),
        ({"type": "object"}, None, "null is no object"),
        ({}, None, "null is no string"),
        ({"type": "boolean", "enum": [True]}, False, "false is none of true"),
        ({"type": "integer", "minimum": 1}, 0, "0 is below the minimum 1"),
        ({"type": "number", "maximum": 1.5}, 2, "2 is above the maximum 1.5"),
        ({"type": "number"}, math.nan, "nan is no JSON number"),
        ({"type": "integer"}, 2**63, "whole numbers go up to"),
        ({}, "a\0b", "NUL"),
        ({"enum": ["a", "b"]}, "c", "'c' is none of 'a', 'b'"),
        ({"pattern": "[a-z]+"}, "abc\n", "doesn't match the pattern"),
        ({"pattern": "[a-z]+"}, "abc; rm", "doesn't match the pattern"),
        ({"type": "object"}, {1: 2}, "can't be a key"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(keys: dict[str, Any], value: object, reason: str) -> None:
    """The problem names the parameter, the value and what it should be."""
    with pytest.raises(ParameterError) as caught:
        check_values({"x": declared(**keys)}, {"x": value})
    (problem,) = caught.value.problems
    assert problem.path == "parameters.x"
    assert reason in problem.message
    assert problem.cure.startswith("give ")


def test_defaults_fill_in() -> None:
    """A parameter with any default need not be given."""
    parameters = {"a": declared(default=""), "b": declared(type="integer", default=3)}
    assert check_values(parameters, {}) == {"a": "", "b": 3}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "a string"),
        ({"type": "string", "pattern": "v.*"}, "a string that matches v.*"),
        ({"type": "integer", "minimum": 1}, "an integer from 1"),
        ({"type": "number"}, "a number"),
        ({"type": "boolean"}, "a boolean"),
        ({"type": "array"}, "an array"),
        ({"type": "object"}, "an object"),
        ({"enum": ["a", "b"]}, "one of 'a', 'b'"),
    ],
)
def test_null_is_no_default(keys: dict[str, Any], expected: str) -> None:
    """It is a value of no type, so a run could only fail by it."""
    text = json.dumps({"name": "x", "parameters": {"os": {**keys, "default": None}}, "steps": [step("a")]})
    problem = refusal(text)
    assert problem.path == "parameters.os.default"
    assert problem.message == f"null is no {keys.get('type', 'string')}"
    assert problem.cure == f"leave default out to make the parameter required, or write {expected}"


def test_everything_that_does_not_fit_is_told_at_once() -> None:
    """A missing one, a wrong one and an unknown one, with a guess at what was meant."""
    parameters = {"threshold": declared(type="integer", description="Percent in use"), "path": declared()}
    with pytest.raises(ParameterError) as caught:
        check_values(parameters, {"threshold": "x", "pth": "/var"})
    told = {problem.path: (problem.message, problem.cure) for problem in caught.value.problems}
    assert told == {
        "parameters.pth": ("no such parameter", 'did you mean "path"?'),
        "parameters.threshold": ("'x' is no integer", "give an integer: Percent in use"),
        "parameters.path": ("a value is required", "give one: -p path=..."),
    }


@pytest.mark.parametrize(
    ("keys", "given", "message", "cure"),
    [
        ({}, "Hunter 2", "the value is no name of a secret", "give the name of a secret (lower-case"),
        ({}, "../hunter2", "the value is no name of a secret", "give the name of a secret"),
        ({}, "hunter2\n", "the value is no name of a secret", "give the name of a secret"),
        ({}, ["hunter2"], "the value is no string", "give the name of a secret"),
        (
            {"enum": ["db_a", "db_b"]},
            "hunter2",
            "the value is none of 'db_a', 'db_b'",
            "give one of 'db_a', 'db_b'",
        ),
        (
            {"pattern": "db_.*"},
            "hunter2",
            "the value doesn't match the pattern db_.*",
            "give the name of a secret",
        ),
    ],
)
def test_a_secret_parameter_takes_a_name_and_shows_no_value(
    keys: dict[str, Any], given: Any, message: str, cure: str
) -> None:
    """Somebody may have given the secret itself."""
    with pytest.raises(ParameterError) as caught:
        check_values({"x": declared(secret=True, **keys)}, {"x": given})
    [problem] = caught.value.problems
    assert problem.message == message
    assert problem.cure.startswith(cure)
    assert "hunter" not in str(caught.value)


def test_a_secret_parameter_names_its_secret() -> None:
    """Which is all that is known of it before the run."""
    parameters = {"a": declared(secret=True), "b": declared(secret=True, default="db_b")}
    assert check_values(parameters, {"a": "db_a"}) == {"a": "db_a", "b": "db_b"}
    with pytest.raises(ParameterError, match="give the name of a secret: -p a="):
        check_values(parameters, {})


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"type": "integer", "default": "x"}, "'x' is no integer"),
        ({"default": "c", "enum": ["a"]}, "'c' is none of 'a'"),
        ({"type": "integer", "enum": [1, "b"]}, "'b' is no integer"),
        ({"type": "integer", "minimum": 5, "maximum": 1}, "minimum is above maximum"),
        ({"minimum": 5}, "minimum means nothing for type string"),
        ({"type": "integer", "pattern": "a"}, "pattern means nothing for type integer"),
        ({"pattern": "("}, "has a ( without its )"),
        ({"enum": []}, "at least 1 item"),
        ({"secret": True, "type": "integer", "default": 5}, "a secret is a text, no integer"),
        ({"secret": True, "enum": ["db", "No name"]}, "this is no name of a secret"),
        ({"secret": True, "default": "No name"}, "the value is no name of a secret"),
        ({"secret": True, "default": None}, "null is no name of a secret"),
        ({"secret": True, "minimum": 5}, "minimum means nothing for type string"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(keys: dict[str, Any], message: str) -> None:
    """A wrong default or bound is found in the document, not in a run."""
    with pytest.raises(ValueError, match="validation error") as caught:
        declared(**keys)
    assert message in str(caught.value)


def test_a_pattern_can_not_hang_a_run() -> None:
    """What takes Python's engine hours is answered at once."""
    with pytest.raises(ParameterError, match="doesn't match"):
        check_values({"x": declared(pattern="(a+)+")}, {"x": "a" * 5000 + "b"})


@settings(deadline=None)
@given(value=st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
def test_every_value_fits_or_is_refused(value: object) -> None:
    """No value makes the check fail in another way."""
    for kind in ("string", "integer", "number", "boolean", "array", "object"):
        parameters = {"x": declared(type=kind)}
        if parameters["x"].refusal(value) is None:
            assert check_values(parameters, {"x": value}) == {"x": value}
            continue
        with pytest.raises(ParameterError):
            check_values(parameters, {"x": value})
