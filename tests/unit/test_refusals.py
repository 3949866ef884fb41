"""What this version can't run is refused by name, and is not picked at besides."""

from typing import Any

import pytest

from codegen.document import parse
from codegen.errors import DocumentError
from codegen.groups import STEP_TYPES
from codegen.reading.wording import OFFERED, offered_keys
from codegen.step import StepBase
from codegen.support import NOT_BUILT_STEP_KEYS, NOT_BUILT_WORKFLOW_KEYS, RUNNABLE
from codegen.workflow import Workflow
from tests.unit.documents import step

REFUSED_TYPE = next(name for name in STEP_TYPES if name not in RUNNABLE)
REFUSED_KEY = NOT_BUILT_STEP_KEYS[0]
REFUSED_DOCUMENT_KEY = NOT_BUILT_WORKFLOW_KEYS[-1]


def problems(*steps: Any, **more: Any) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse({"name": "x", "steps": list(steps), **more})
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def no_type(path: str) -> str:
    return f"{path}: steps of type '{REFUSED_TYPE}' can't be run by this version"


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"nonsense": 1},
        {"message": "{{ nobody }}", "question": "{{ nobody }}", "monitor": 3},
        {"command": "{{", "values": []},
    ],
)
def test_of_a_refused_type_nothing_else_is_said(keys: dict[str, Any]) -> None:
    """Keys that are missing, unknown or wrong don't matter."""
    assert problems({"id": "a", "type": REFUSED_TYPE, **keys}) == [no_type("steps[0].type")]


def test_what_every_step_has_is_checked_all_the_same() -> None:
    """It is still there once the type is another one; so are the steps that deal with its failure."""
    assert problems(
        {"id": "a", "type": REFUSED_TYPE, "timeout": "soon", "on_error": {"steps": [step("b", comand=1)]}}
    ) == [
        'steps[0].on_error.steps[0].comand: unknown key "comand"',
        "steps[0].timeout: 'soon' is no duration",
        no_type("steps[0].type"),
    ]


@pytest.mark.parametrize(
    ("list_of_steps", "path"),
    [
        (lambda bad: [{"id": "g", "type": "sequential", "steps": [bad]}], "steps[0].steps[0]"),
        (
            lambda bad: [{"id": "g", "type": "switch", "value": "1", "cases": {"1": [bad]}}],
            'steps[0].cases["1"][0]',
        ),
        (lambda bad: [step("g", rollback=[bad])], "steps[0].rollback[0]"),
    ],
)
def test_wherever_it_stands(list_of_steps: Any, path: str) -> None:
    """In groups, cases and undos."""
    bad = {"id": "a", "type": REFUSED_TYPE, "nonsense": 1}
    assert problems(*list_of_steps(bad)) == [no_type(f"{path}.type")]


def test_in_a_document_that_is_held() -> None:
    """With its path from the top."""
    held = {
        "name": "y",
        "steps": [{"id": "a", "type": REFUSED_TYPE, "nonsense": 1}],
        REFUSED_DOCUMENT_KEY: 5,
    }
    run = {"id": "r", "type": "workflow", "workflow": "w"}
    assert sorted(problems(run, workflows={"w": held})) == [
        no_type("workflows.w.steps[0].type"),
        f"workflows.w.{REFUSED_DOCUMENT_KEY}: {REFUSED_DOCUMENT_KEY} can't be run by this version",
    ]


def test_of_a_refused_key_nothing_else_is_said() -> None:
    """Its value may be as wrong as it likes."""
    assert problems({**step("a"), REFUSED_KEY: {"nonsense": 1}}, **{REFUSED_DOCUMENT_KEY: "x"}) == [
        f"steps[0].{REFUSED_KEY}: '{REFUSED_KEY}' can't be run by this version",
        f"{REFUSED_DOCUMENT_KEY}: {REFUSED_DOCUMENT_KEY} can't be run by this version",
    ]


def test_data_that_looks_like_a_step_is_none() -> None:
    """Values may hold anything."""
    values = {"v": [{"id": "b", "type": REFUSED_TYPE, "text": "{{ nobody }}"}]}
    assert problems({"id": "a", "type": "set", "values": values}) == [
        'steps[0].values.v[0].text: unknown name "nobody"'
    ]


def test_what_is_refused_is_not_offered() -> None:
    """Neither as a type nor as a key, nor as what a mistyped one may have meant."""
    assert set(OFFERED) == RUNNABLE
    assert not {*offered_keys(StepBase)} & {*NOT_BUILT_STEP_KEYS}
    assert not {*offered_keys(Workflow)} & {*NOT_BUILT_WORKFLOW_KEYS}
    with pytest.raises(DocumentError) as caught:
        parse({"name": "x", "steps": [{**step("a"), f"{REFUSED_KEY}s": 1}], f"{REFUSED_DOCUMENT_KEY}s": 1})
    assert f'"{REFUSED_KEY}"' not in str(caught.value)
    assert REFUSED_DOCUMENT_KEY not in str(caught.value).replace(f"{REFUSED_DOCUMENT_KEY}s", "")
