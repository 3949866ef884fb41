"""What can still be checked of a malformed document, so that all its problems are reported in one go."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from codegen.groups import STEP_TYPES, Group
from codegen.paths import Path
from codegen.reading.shape import Finding, findings, value_at
from codegen.reading.step_paths import STEP_LISTS, step_around
from codegen.workflow import Workflow

GROUPS = frozenset(name for name, model in STEP_TYPES.items() if issubclass(model, Group))
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Lost:
    """What is unknown about a document because parts of it had to be left out.

    `ids` exist but can't be read, `damaged` steps miss keys, `stand_ins` replace steps without an id. False
    when something is missing: `every_id` for steps, `order` for dependencies, `parameters` for declarations.
    """

    ids: frozenset[str] = frozenset()
    damaged: frozenset[str] = frozenset()
    stand_ins: frozenset[str] = frozenset()
    every_id: bool = True
    order: bool = True
    parameters: bool = True


def validated(data: Any) -> Workflow:
    """The model of plain data, types exactly as written; ValidationError otherwise."""
    return Workflow.model_validate_json(_as_json(data), strict=True, by_alias=True, by_name=False)


def _as_json(data: Any) -> bytes:
    """JSON of anything: what JSON can't hold has been reported, and must not hide the other problems."""
    return json.dumps(data, ensure_ascii=False, skipkeys=True, default=str).encode(errors="replace")


def salvage(data: dict[str, Any], found: Iterable[Finding]) -> tuple[Workflow, Lost] | None:
    """The document without its malformed parts, or None if too little is left."""
    copy = json.loads(_as_json(data))
    repair = _Repair(copy)
    for _ in range(ROUNDS):
        if not repair.leave_out(found):
            return None
        try:
            return validated(copy), repair.lost()
        except ValidationError as error:
            found = findings(error.errors(include_url=False, include_input=False), copy)
    return None


class _Repair:
    """Takes malformed parts out of a document, and remembers what that hides."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._ids: set[str] = set()
        self._damaged: set[str] = set()
        self._stand_ins: set[str] = set()
        self._every_id = self._order = self._parameters = True

    def lost(self) -> Lost:
        return Lost(
            frozenset(self._ids),
            frozenset(self._damaged),
            frozenset(self._stand_ins),
            self._every_id and not self._stand_ins,
            self._order,
            self._parameters,
        )

    def leave_out(self, found: Iterable[Finding]) -> bool:
        """Take out what each finding is about, inner parts first."""
        for finding in sorted(found, key=lambda finding: -len(finding.path)):
            step = step_around(finding.path)
            if step is not None:
                self._mend_step(step, finding)
            elif not self._mend_document(finding):
                return False
        return True

    def _mend_document(self, finding: Finding) -> bool:
        key = finding.path[0] if finding.path else ""
        if key in ("steps", ""):
            return False
        if key == "name":
            self._data["name"] = "unreadable"
        elif key == "parameters" and len(finding.path) > 1:
            self._mend_parameter(finding)
        elif key in self._data:
            self._parameters &= key != "parameters"
            if key in STEP_LISTS:
                self._every_id = self._order = False
            self._ids.update(_ids_in(self._data.pop(key)))
        return True

    def _mend_parameter(self, finding: Finding) -> None:
        name = finding.path[1]
        if finding.at_key and len(finding.path) == 2:
            self._data["parameters"].pop(name, None)
        else:
            self._data["parameters"][name] = {}

    def _mend_step(self, where: Path, finding: Finding) -> None:
        step = value_at(self._data, where)
        inner = finding.path[len(where) :]
        if isinstance(step, dict) and inner and inner[0] in step and inner[0] not in ("id", "type"):
            self._damaged.add(str(step.get("id")))
            self._order &= inner[0] != "depends_on"
            if inner[0] in STEP_LISTS:
                self._every_id = self._order = False
            self._ids.update(_ids_in(step.pop(inner[0])))
        else:
            self._replace(where, step)

    def _replace(self, where: Path, step: Any) -> None:
        """A step of which too little is known becomes one that does nothing."""
        given = step if isinstance(step, dict) else {}
        name = given.get("id") if isinstance(given.get("id"), str) and _is_identifier(given["id"]) else None
        stand_in: dict[str, Any] = {"type": "set", "values": {"unreadable": None}}
        stand_in["id"] = name or f"unreadable_step_{len(self._stand_ins)}"
        if name is None:
            self._stand_ins.add(stand_in["id"])
        if "depends_on" in given and _is_id_list(given["depends_on"]):
            stand_in["depends_on"] = given["depends_on"]
        elif "depends_on" in given:
            self._order = False
        self._every_id &= str(given.get("type")) not in GROUPS
        inside = set(_ids_in(given)) - {given.get("id") if name else None}
        self._order &= self._every_id and not inside
        self._ids.update(inside)
        self._damaged.add(stand_in["id"])
        value_at(self._data, where[:-1])[where[-1]] = stand_in


def _ids_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("id"), str):
            yield value["id"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _ids_in(item)


def _is_identifier(text: str) -> bool:
    return text.isascii() and text.isidentifier() and text[0] != "_" and len(text) <= 100


def _is_id_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and _is_identifier(item) for item in value)
