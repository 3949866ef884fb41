"""A step's keys in a document are its executor's arguments in Python."""

import inspect
from typing import Any, get_args

import pytest
from pydantic_core import PydanticUndefined

import steps
from codegen.leaves import COMMON_KEYS, LEAF_TYPES, Leaf
from codegen.support import RUNNABLE
from steps.errors import StepFailed
from steps.executor import executor
from steps.kinds import EXECUTORS
from steps.scope import Outcome, Scope, Surroundings

MODELS: dict[str, type[Leaf]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in LEAF_TYPES
}
GROUPS = {"sequential", "parallel", "condition", "switch"}


def scope(**params: Any) -> Scope:
    return Scope(Surroundings(run_id="r", name="n", params=params), "a")


def test_every_type_that_can_be_run_has_its_executor() -> None:
    """And no other."""
    assert set(EXECUTORS) == set(RUNNABLE) - GROUPS


@pytest.mark.parametrize("kind", sorted(EXECUTORS))
def test_the_arguments_are_the_types_own_keys(kind: str) -> None:
    """In any order, plus `timeout`; the first one is the scope."""
    _, *names = inspect.signature(EXECUTORS[kind]).parameters
    assert set(names) == (set(MODELS[kind].model_fields) - COMMON_KEYS) | {"timeout"}


@pytest.mark.parametrize("kind", sorted(EXECUTORS))
def test_the_defaults_are_those_of_the_type(kind: str) -> None:
    """What a key means when it is left out is the same in both; None stands for an empty mapping or list."""
    fields = MODELS[kind].model_fields
    for name, argument in list(inspect.signature(EXECUTORS[kind]).parameters.items())[1:]:
        default = fields[name].get_default(call_default_factory=True)
        if default is PydanticUndefined:
            assert argument.default is inspect.Parameter.empty, name
        elif argument.default is None:
            assert default in (None, {}, ()), name
        else:
            assert argument.default == default, name


@pytest.mark.parametrize("kind", sorted(EXECUTORS))
def test_what_a_step_is_about_comes_first_the_rest_is_named(kind: str) -> None:
    """`command(scope, "df", timeout=30)`."""
    _, first, *rest = inspect.signature(EXECUTORS[kind]).parameters.values()
    assert first.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {argument.kind for argument in rest} == {inspect.Parameter.KEYWORD_ONLY}


def test_the_package_offers_what_generated_flows_import() -> None:
    """Every executor by its Python name."""
    offered = {id(getattr(steps, name)) for name in steps.__all__}
    assert {id(function) for function in EXECUTORS.values()} <= offered
    assert {"Outcome", "Scope", "StepFailed"} <= set(steps.__all__)


async def test_templates_are_filled_in_before_the_function_is_called() -> None:
    """A generated flow passes texts as they stand in the document."""
    outcome = await EXECUTORS["set"](
        scope(x=[1, 2]), {"all": "{{ params.x }}", "text": "x is {{ params.x[0] }}"}
    )
    assert outcome.result == {"all": [1, 2], "text": "x is 1"}


async def test_shell_text_is_quoted() -> None:
    """A hostile value stays one word."""
    outcome = await EXECUTORS["command"](scope(x="a b; echo $HOME"), "printf %s {{ params.x }}")
    assert outcome.result["stdout"] == "a b; echo $HOME"


async def test_a_script_that_no_shell_reads_takes_values_as_they_are() -> None:
    """Quotes of a shell would be wrong in Python."""
    outcome = await EXECUTORS["script"](scope(x="a b"), "print({{ params.x | tojson }})", language="python")
    assert outcome.result["stdout"] == "a b\n"


@pytest.mark.parametrize(
    ("raised", "message"),
    [(StepFailed("no"), "no"), (KeyError("x"), "KeyError: 'x'"), (OSError(28, "disk full"), "disk full")],
)
async def test_whatever_is_raised_is_a_failed_step(raised: Exception, message: str) -> None:
    """And counts as a try."""

    @executor(MODELS["stop"])
    async def broken(scope: Scope, message: str = "") -> None:
        raise raised

    where = scope()
    with pytest.raises(StepFailed, match=message):
        await broken(where, "x")
    assert where.attempts == 1


async def test_a_template_that_cannot_be_filled_in_is_a_failed_step() -> None:
    """The message names what is missing."""
    with pytest.raises(StepFailed, match="nothing"):
        await EXECUTORS["fail"](scope(), "{{ params.nothing }}")


async def test_results_become_outcomes() -> None:
    """A function may return plain data."""

    @executor(MODELS["stop"])
    async def plain(scope: Scope, message: str = "") -> dict[str, str]:
        return {"said": message}

    assert await plain(scope(), "hello") == Outcome({"said": "hello"})
