"""What this version can't run is refused, and nothing else is said of it: to mend it would be in vain."""

from collections.abc import Callable
from typing import Any

from codegen.errors import Problem
from codegen.groups import STEP_TYPES
from codegen.leaves import COMMON_KEYS
from codegen.paths import Path, written
from codegen.reading.step_paths import document_around, step_around
from codegen.support import (
    NOT_BUILT_STEP_KEYS,
    NOT_BUILT_WORKFLOW_KEYS,
    RUNNABLE,
    not_built,
    type_not_built,
)

TypeOf = Callable[[Path], Any]
"""The type of the step at a path, as far as it has one."""


def refusal(path: Path, type_of: TypeOf) -> Problem | None:
    """Why this version can't run the construct that a place belongs to; None where it can."""
    document = document_around(path)
    inside = path[len(document) :]
    if inside and inside[0] in NOT_BUILT_WORKFLOW_KEYS:
        return not_built(written((*document, inside[0])), str(inside[0]))
    step = step_around(inside)
    if step is None:
        return None
    key, whole = inside[len(step) :][:1], (*document, *step)
    if key and key[0] in NOT_BUILT_STEP_KEYS:
        return not_built(written((*whole, *key)), repr(key[0]))
    kind = type_of(whole)
    is_refused = isinstance(kind, str) and kind in STEP_TYPES and kind not in RUNNABLE
    is_common = bool(key) and key[0] in COMMON_KEYS and key[0] != "type"
    return type_not_built(written((*whole, "type")), kind) if is_refused and not is_common else None
