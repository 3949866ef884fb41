"""`set`: computes values."""

from collections.abc import Mapping
from typing import Any

from codegen.leaves import Set
from steps.data import json_data
from steps.executor import executor
from steps.scope import Outcome, Scope


@executor(Set)
async def set_values(scope: Scope, values: Mapping[str, Any], *, timeout: float | None = None) -> Outcome:  # noqa: ARG001 - takes no time
    """The values are the step's result and its outputs."""
    computed = {key: json_data(value, f"{key!r}") for key, value in values.items()}
    return Outcome(computed, computed)
