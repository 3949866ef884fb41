"""A generated flow's arguments from the command line, and numbers that stay as they were given."""

import traceback
from typing import Annotated, Any

import pytest
from prefect import Flow, flow
from pydantic import Field, TypeAdapter, ValidationError

from codegen.errors import ParameterError
from flows.parallel import Run
from flows.parameters import AsGiven, Only, SecretName, arguments


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


@flow(name="Log in")
def log_in(
    password: SecretName = "db_password", key: Annotated[SecretName, Only(pattern="^k.*")] = "k"
) -> None:
    """A flow whose arguments name secrets."""


def test_a_form_asks_for_the_name_of_a_secret() -> None:
    """Prefect's server checks it by its schema; the author's own pattern counts, too."""
    properties = log_in.parameters.properties
    assert properties["password"]["pattern"] == "^(?:[a-z][a-z0-9_]*)$"
    assert properties["password"]["default"] == "db_password"
    assert log_in.validate_parameters({"key": "k_1"}) == {"key": "k_1", "password": "db_password"}
    assert properties["key"]["pattern"] == "^k.*"
    with pytest.raises(ParameterError):
        log_in.validate_parameters({"key": "other"})


@pytest.mark.parametrize("given", ["Hunter 2", "../hunter2", 5])
def test_a_secret_itself_is_refused_unseen(given: Any) -> None:
    """Before anything runs."""
    with pytest.raises(ParameterError, match=r"parameters\.password: the value is no") as caught:
        Run("n", secret_params={"password": given})
    assert "unter" not in str(caught.value)


@pytest.mark.parametrize(
    "only", [Only(), Only("prod", "test"), Only(pattern="^db_.*$")], ids=["any", "some", "those"]
)
@pytest.mark.parametrize("given", ["hunter2!", 271828, ["hunter2!"]], ids=str)
def test_what_is_no_such_name_is_refused_unseen(only: Only, given: Any) -> None:
    """Before anything runs, by Prefect's own check of a flow's parameters; no part of the error shows it."""

    async def log_in(password: str) -> None:
        """A flow."""

    log_in.__annotations__["password"] = Annotated[SecretName, only]
    with pytest.raises(ParameterError, match=r"parameters\.password: the value is ") as caught:
        flow(log_in).validate_parameters({"password": given})
    seen = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in seen
    assert "271828" not in seen


def test_the_form_offers_the_names_that_may_be_given() -> None:
    """As the server's check does."""

    @flow
    async def log_in(password: Annotated[SecretName, Only("prod", "test")]) -> None:
        """A flow."""

    assert log_in.parameters.properties["password"]["enum"] == ["prod", "test"]
    assert log_in.validate_parameters({"password": "test"}) == {"password": "test"}
