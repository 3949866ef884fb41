"""The JSON schema of the document, generated from the models: `python -m codegen.schema [--check]`.

Editors complete and check documents with it: `# yaml-language-server: $schema=schemas/workflow.schema.json`.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from codegen.fields import Model
from codegen.groups import STEP_TYPES
from codegen.reading.key_help import KEY_HELP
from codegen.reading.wording import OFFERED
from codegen.step import StepBase
from codegen.support import NOT_BUILT_STEP_KEYS, NOT_BUILT_WORKFLOW_KEYS, RUNNABLE
from codegen.workflow import Workflow

FILE = Path(__file__).parent.parent / "schemas" / "workflow.schema.json"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
ID = "urn:opsconductor:workflow"

Schema = dict[str, Any]


def workflow_schema() -> Schema:
    """The schema of a document, with a description for every key."""
    schema = Workflow.model_json_schema(by_alias=True)
    definitions: dict[str, Schema] = schema.pop("$defs")
    schema = definitions.pop("Workflow")  # it holds others of its kind, so pydantic only refers to it
    for node in _nodes([schema, definitions]):
        _tidy(node)
    _describe(schema, "Workflow")
    for name, definition in definitions.items():
        _describe(definition, name)
    _close(schema["properties"], Workflow, NOT_BUILT_WORKFLOW_KEYS)
    for kind, model in STEP_TYPES.items():
        if kind in RUNNABLE:
            _close(definitions[model.__name__]["properties"], model, NOT_BUILT_STEP_KEYS)
        else:
            del definitions[model.__name__]
    common = _hoisted([definitions[STEP_TYPES[kind].__name__] for kind in OFFERED])
    definitions = _reached(schema, {**definitions, **common, "Step": _step()})
    return {
        "$schema": DRAFT,
        "$id": ID,
        "title": "OpsConductor workflow",
        **{key: value for key, value in schema.items() if key != "title"},
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as its file holds it."""
    return json.dumps(workflow_schema(), indent=2) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the file, or with `--check` say whether it is up to date."""
    if "--check" not in arguments:
        FILE.write_text(text(), encoding="utf-8")
        return 0
    if FILE.is_file() and FILE.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write(f"schemas/{FILE.name} is out of date; run: python -m codegen.schema\n")
    return 1


def _nodes(node: Any) -> Iterator[Schema]:
    """Every schema within a schema."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(inner)


def _tidy(node: Schema) -> None:
    """What pydantic writes and editors don't need, and what it leaves open."""
    if isinstance(node.get("title"), str):
        del node["title"]
    if node.get("default", "") is None:
        del node["default"]
    if "discriminator" in node:
        node.clear()
        node["$ref"] = "#/$defs/Step"
    if node.get("$ref") == "#/$defs/Workflow":
        node["$ref"] = "#"
    if "patternProperties" in node:
        node.setdefault("additionalProperties", False)


def _step() -> Schema:
    """Any step: which one its type says."""
    return {
        "type": "object",
        "description": "A step.",
        "required": ["id", "type"],
        "properties": {"type": {"enum": list(OFFERED), "description": KEY_HELP["Step"]["type"]}},
        "oneOf": [{"$ref": f"#/$defs/{STEP_TYPES[kind].__name__}"} for kind in OFFERED],
    }


def _describe(definition: Schema, name: str) -> None:
    own = KEY_HELP.get(name, {})
    for key, node in definition.get("properties", {}).items():
        node["description"] = own.get(key) or KEY_HELP["Step"][key]


def _close(properties: Schema, model: type[Model], keys: Sequence[str]) -> None:
    """Of what this version can't run editors offer nothing; the default means that it is not used."""
    for key in keys:
        default = model.model_fields[key].get_default(call_default_factory=True)
        about = f"{properties[key]['description']} Not in this version."
        properties[key] = {"const": default, "description": about}


def _reached(schema: Schema, definitions: dict[str, Schema]) -> dict[str, Schema]:
    """The definitions that the schema refers to, directly or not."""
    found: dict[str, Schema] = {}
    todo = [schema]
    while todo:
        names = {node["$ref"].removeprefix("#/$defs/") for node in _nodes(todo.pop()) if "$ref" in node}
        for name in names & definitions.keys() - found.keys():
            found[name] = definitions[name]
            todo.append(definitions[name])
    return found


def _hoisted(steps: Sequence[Schema]) -> dict[str, Schema]:
    """The keys that every step has, written once; the steps then refer to them."""
    shared: dict[str, Schema] = {}
    for key in StepBase.model_fields:
        name = f"Step.{key}"
        shared[name] = steps[0]["properties"][key]
        for step in steps:
            if step["properties"][key] == shared[name]:
                step["properties"][key] = {"$ref": f"#/$defs/{name}"}
    return shared


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
