"""A generated flow's arguments from the command line, and numbers that stay as they were given."""

from typing import Annotated, Any

import pytest
from prefect import Flow, flow
from pydantic import Field, TypeAdapter, ValidationError

from flows.parameters import AsGiven, arguments


@flow(name="Check")
def check(host: str, ratio: Annotated[float, AsGiven] = 0.5, ports: list[Any] = [80]) -> None:  # noqa: B006 - only read
    """A flow with parameters of several types."""


@flow(name="Nothing")
def nothing() -> None:
    """A flow without parameters."""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["host=a=b"], {"host": "a=b"}),
        (["host=", "ratio=1"], {"host": "", "ratio": "1"}),
        (['ports=[1, "x"]', "host=[1]"], {"host": "[1]", "ports": [1, "x"]}),
    ],
)
def test_arguments_are_names_and_values(words: list[str], expected: dict[str, Any]) -> None:
    """Lists are JSON; what else a text means is for Prefect to say."""
    assert arguments(check, words) == expected


@pytest.mark.parametrize(
    ("one", "words", "message"),
    [
        (check, ["ratio=1"], "host: a value is required; write name=value for: host, ratio, ports"),
        (check, ["host"], "'host' sets no parameter; write name=value for: host, ratio, ports"),
        (check, ["hots=a"], "'hots=a' sets no parameter; write name=value for: host, ratio, ports"),
        (check, ["ports=80,443"], "ports=80,443: Extra data.*write JSON, for example ports='\\[1, 2\\]'"),
        (nothing, ["a=1"], "'a=1' sets no parameter; write name=value for: none"),
    ],
)
def test_arguments_that_do_not_fit_end_the_program(
    one: Flow[..., Any], words: list[str], message: str
) -> None:
    """With what would fit."""
    with pytest.raises(SystemExit, match=message):
        arguments(one, words)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(3, "3"), (3.0, "3.0"), (0.5, "0.5"), ("3", "3"), ("0.5", "0.5"), ("3.0", "3.0"), (True, "1.0")],
)
def test_a_number_is_written_as_it_was_given(given: Any, expected: str) -> None:
    """A whole number stays whole, as it does for the interpreter."""
    assert str(TypeAdapter(Annotated[float, Field(ge=0), AsGiven]).validate_python(given)) == expected


@pytest.mark.parametrize("given", [-1, "-1", "x", None, float("nan")])
def test_a_number_is_checked_all_the_same(given: Any) -> None:
    """Bounds and type hold."""
    with pytest.raises(ValidationError):
        TypeAdapter(Annotated[float, Field(ge=0), AsGiven]).validate_python(given)
