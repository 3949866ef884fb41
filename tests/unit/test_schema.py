"""The JSON schema: fresh, complete, and of one mind with the reader."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from ruamel.yaml import YAML

from codegen import schema
from codegen.document import canonical, load, load_file
from codegen.errors import DocumentError
from codegen.groups import STEP_TYPES
from codegen.reading.key_help import KEY_HELP
from codegen.support import NOT_BUILT_STEP_KEYS, NOT_BUILT_WORKFLOW_KEYS, RUNNABLE
from codegen.workflow import Workflow
from tests.unit.documents import FULL, step

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
STEP_KEYS = schema.workflow_schema()["$defs"]["Fail"]["properties"]
VALIDATOR = Draft202012Validator(schema.workflow_schema())


def accepts(data: Any) -> bool:
    return bool(VALIDATOR.is_valid(data))


def test_the_committed_schema_is_fresh() -> None:
    """Change the models, then run `python -m codegen.schema`."""
    assert schema.FILE.read_text(encoding="utf-8") == schema.text()


def test_the_check_finds_a_stale_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What CI runs."""
    monkeypatch.setattr(schema, "FILE", tmp_path / "workflow.schema.json")
    assert schema.main(["--check"]) == 1
    assert "out of date; run: python -m codegen.schema" in capsys.readouterr().err
    assert schema.main([]) == 0
    assert schema.main(["--check"]) == 0
    schema.FILE.write_text("{}", encoding="utf-8")
    assert schema.main(["--check"]) == 1


def test_the_schema_is_a_schema() -> None:
    """Of the draft it names."""
    Draft202012Validator.check_schema(schema.workflow_schema())


def test_every_key_has_a_description() -> None:
    """Editors show it, and no help is left over from a key that is gone."""
    generated = schema.workflow_schema()
    definitions = {**generated["$defs"], "Workflow": generated}
    for name, definition in definitions.items():
        for key, node in definition.get("properties", {}).items():
            target = definitions[node["$ref"].removeprefix("#/$defs/")] if node.get("$ref") else node
            assert node.get("description") or target["description"], f"{name}.{key}"
    everything = Workflow.model_json_schema(by_alias=True)["$defs"]
    for name, keys in KEY_HELP.items():
        known = STEP_KEYS if name == "Step" else everything[name]["properties"]
        assert keys.keys() <= known.keys(), name


def test_what_this_version_refuses_is_not_offered() -> None:
    """No type that it can't run; of keys that it can't, only the value that they have when left out."""
    generated = schema.workflow_schema()
    kinds = set(generated["$defs"]["Step"]["properties"]["type"]["enum"])
    assert kinds == RUNNABLE
    assert not {STEP_TYPES[kind].__name__ for kind in STEP_TYPES if kind not in kinds} & {*generated["$defs"]}
    nodes = {f"Step.{key}": generated["$defs"][f"Step.{key}"] for key in NOT_BUILT_STEP_KEYS}
    nodes |= {key: generated["properties"][key] for key in NOT_BUILT_WORKFLOW_KEYS}
    for name, node in nodes.items():
        assert "const" in node, name
        assert node["description"].endswith("Not in this version."), name


def test_every_definition_is_referred_to() -> None:
    """Nothing is left over of what was taken out."""
    generated = schema.workflow_schema()
    named = {node["$ref"].removeprefix("#/$defs/") for node in _objects(generated) if "$ref" in node}
    assert named - {"#"} == {*generated["$defs"]}


def test_the_schema_is_closed_at_every_level() -> None:
    """An unknown key is underlined while it is typed."""
    for node in _objects(schema.workflow_schema()):
        if "properties" in node and "oneOf" not in node:
            assert node["additionalProperties"] is False
        if "patternProperties" in node:
            assert node["additionalProperties"] is False


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_fit_the_schema(file: Path) -> None:
    """As they are written, and as they are passed on."""
    assert accepts(YAML(typ="safe", pure=True).load(file))
    assert accepts(canonical(load_file(file)))


def test_a_document_with_everything_fits() -> None:
    """In YAML's types and in canonical form."""
    assert accepts(YAML(typ="safe", pure=True).load(FULL))
    assert accepts(canonical(load(FULL)))


def test_every_step_type_is_known() -> None:
    """By its constant, once."""
    generated = schema.workflow_schema()
    listed = [one["$ref"].removeprefix("#/$defs/") for one in generated["$defs"]["Step"]["oneOf"]]
    constants = [generated["$defs"][name]["properties"]["type"]["const"] for name in listed]
    assert constants == [kind for kind in STEP_TYPES if kind in RUNNABLE]
    assert generated["$defs"]["Step"]["properties"]["type"]["enum"] == constants


BAD: list[dict[str, Any]] = [
    {},
    {"name": "x"},
    {"name": "x", "steps": []},
    {"name": "x", "steps": ["ls"]},
    {"name": 5, "steps": [step("a")]},
    {"name": "x", "steps": [step("a")], "finaly": []},
    {"name": "x", "steps": [step("a")], "finally_": []},
    {"name": "x", "steps": [step("a", "comand")]},
    {"name": "x", "steps": [step("a", comand="x")]},
    {"name": "x", "steps": [step("a-b")]},
    {"name": "x", "steps": [{"id": "a", "command": "ls"}]},
    {"name": "x", "steps": [step("a", retry={"attempts": "three"})]},
    {"name": "x", "steps": [step("a", retry={"attempts": 0})]},
    {"name": "x", "steps": [step("a", retry={"tries": 1})]},
    {"name": "x", "steps": [step("a", timeout="soon")]},
    {"name": "x", "steps": [step("a", timeout=-1)]},
    {"name": "x", "steps": [step("a", depends_on="b")]},
    {"name": "x", "steps": [step("a", outputs={"a b": "x"})]},
    {"name": "x", "steps": [step("a", join=0)]},
    {"name": "x", "steps": [step("a", rollout={"batch": "250%"})]},
    {"name": "x", "steps": [step("a", env={"A": 1.5})]},
    {"name": "x", "steps": [step("g", "sequential", steps=[step("a", zz=1)])]},
    {"name": "x", "steps": [step("g", "condition", then=[step("a")], otherwise=[])]},
    {"name": "x", "steps": [step("a")], "parameters": {"p": {"type": "strin"}}},
    {"name": "x", "steps": [step("a")], "parameters": {"p q": {}}},
    {"name": "x", "steps": [step("a")], "engine": {"prefer": "airflow"}},
]


@pytest.mark.parametrize("data", BAD, ids=[str(i) for i in range(len(BAD))])
def test_what_the_reader_refuses_for_its_shape_the_schema_refuses(data: dict[str, Any]) -> None:
    """An editor and `validate` agree."""
    assert not accepts(data)
    with pytest.raises(DocumentError):
        load(json.dumps(data))


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_a_workflow_that_can_be_read_fits_the_schema(data: st.DataObject) -> None:
    """Whatever single value is exchanged: the schema never refuses what the reader takes."""
    mutated = copy.deepcopy(canonical(load(FULL)))
    holders = list(_objects(mutated))
    holder = data.draw(st.sampled_from(holders))
    key = data.draw(st.sampled_from(sorted(holder))) if holder else "x"
    holder[key] = data.draw(
        st.sampled_from([None, True, 0, 1.5, "", "x", "5m", [], {}, ["x"], {"x": 1}, [step("z")]])
    )
    try:
        load(json.dumps(mutated))
    except DocumentError:
        return
    assert accepts(mutated)


def test_patterns_are_plain_enough_for_every_editor() -> None:
    """ECMA expressions have no named groups and no \\Z."""
    patterns = [
        node["pattern"] for node in _objects(schema.workflow_schema()) if isinstance(node.get("pattern"), str)
    ]
    assert patterns
    assert not [pattern for pattern in patterns if re.search(r"\(\?P|\\Z|\\A", pattern)]


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _objects(inner)
