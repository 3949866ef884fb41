"""Turns what pydantic refuses into problems people can act on: one a mistake, in the document's own words."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from codegen.errors import Problem
from codegen.fields import FlawedError
from codegen.paths import Path, parts, written
from codegen.reading.refusals import refusal
from codegen.reading.wording import Wording
from codegen.suggestions import MEANT, listed

MISMATCH = frozenset(
    {
        "string_type",
        "int_type",
        "int_from_float",
        "int_parsing",
        "float_type",
        "float_parsing",
        "bool_type",
        "bool_parsing",
        "tuple_type",
        "list_type",
        "dict_type",
        "model_type",
        "literal_error",
    }
)


MOST_STRANGE = 5
"""Unknown keys of one mapping that are told of one by one; a file with more is likely no document at all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake: where it is, in which words pydantic knows it, and which member of a union says so."""

    path: Path
    kind: str
    context: Mapping[str, Any]
    union: Path | None = None
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class Mistake:
    """A problem that has no place yet; `at_key`: it is the key that is wrong, not its value."""

    problem: Problem
    at_key: bool = False


def findings(errors: Iterable[Mapping[str, Any]], data: Any) -> list[Finding]:
    """The mistakes behind pydantic's errors: without its noise, its cascades, and one a union."""
    found = [finding for error in errors for finding in _within(_finding(error, data))]
    return [kept for kept in _merged(found) if not _is_cascade(kept, data)]


def mistakes(found: Iterable[Finding], data: Any) -> Iterator[Mistake]:
    """The findings in plain words."""
    wording = Wording(data)
    strange: dict[Path, list[Mistake]] = {}
    for finding in found:
        refused = refusal(finding.path, lambda path: _type_at(data, path))
        if refused is not None:
            yield Mistake(refused)
            continue
        message, cure = wording.tell(finding.kind, finding.path, finding.context)
        mistake = Mistake(Problem(written(finding.path), message, cure), finding.at_key)
        if finding.kind == "extra_forbidden" and not cure.startswith(MEANT):
            strange.setdefault(finding.path[:-1], []).append(mistake)
        else:
            yield mistake
    for several in strange.values():
        yield from several if len(several) <= MOST_STRANGE else (_in_one(several),)


def value_at(data: Any, path: Path) -> Any:
    """What the document says at a path; None where it says nothing."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _in_one(several: list[Mistake]) -> Mistake:
    """The first of many unknown keys, with the names of the others."""
    first = several[0].problem
    keys = [parts(mistake.problem.path)[-1] for mistake in several]
    shown = listed(f'"{key:.40}"' for key in map(str, keys))
    return Mistake(replace(first, message=f"{len(several):,} unknown keys: {shown}"), at_key=True)


def _type_at(data: Any, path: Path) -> Any:
    step = value_at(data, path)
    return step.get("type") if isinstance(step, dict) else None


def _finding(error: Mapping[str, Any], data: Any) -> Finding:
    """Follows the document along pydantic's location, which also names step types and union members."""
    path: list[str | int] = []
    union: Path | None = None
    location = error["loc"]
    for index, part in enumerate(location):
        is_last = index == len(location) - 1
        if index and isinstance(location[index - 1], int) and _is_step_type(part, data):
            continue
        if _leads_on(part, data):
            path.append(part)
            data = data[part]
        elif is_last and error["type"] == "missing":
            path.append(part)
        elif part != "[key]":
            union = union or tuple(path)
    kind = "bad_key" if location[-1:] == ("[key]",) else error["type"]
    at_key = kind in ("bad_key", "extra_forbidden")
    return Finding(tuple(path), kind, error.get("ctx", {}), union, at_key)


def _within(finding: Finding) -> Iterator[Finding]:
    """What our own checks find inside a value is a finding each."""
    error = finding.context.get("error")
    if not isinstance(error, FlawedError):
        yield finding
        return
    for flaw in error.flaws:
        context = {"message": flaw.message, "cure": flaw.cure}
        yield replace(finding, path=(*finding.path, *flaw.path), kind="flaw", context=context)


def _is_step_type(part: str | int, data: Any) -> bool:
    return isinstance(data, dict) and data.get("type") == part


def _leads_on(part: str | int, data: Any) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)


def _is_cascade(finding: Finding, data: Any) -> bool:
    """pydantic counts only valid items, so a list whose items are wrong is also called too short."""
    if finding.kind != "too_short":
        return False
    value = value_at(data, finding.path)
    return isinstance(value, list | tuple | dict) and len(value) >= finding.context["min_length"]


def _merged(found: list[Finding]) -> Iterator[Finding]:
    for union, group in groupby(found, key=lambda finding: finding.union):
        members = list(group)
        if union is None:
            yield from members
            continue
        mismatches = [one for one in members if one.path == union and one.kind in MISMATCH]
        if len(mismatches) < len(members):
            yield from (one for one in members if one not in mismatches)
        else:
            yield _either(union, mismatches)


def _either(union: Path, members: list[Finding]) -> Finding:
    """One finding for a value that fits no member of its union."""
    choices = [member.context.get("expected") or member.kind for member in members]
    return Finding(union, "no_member", {"choices": choices})
