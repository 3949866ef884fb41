"""How often one step runs: once per target, once per item, or both."""

import re

from codegen.step import StepBase
from codegen.workflow import Workflow

UNKNOWN = 2
_PARAMETER = re.compile(r"\s*params\.(\w+)\s*")


def fan_out(workflow: Workflow, step: StepBase) -> int | None:
    """How often a step runs as far as the document tells; None where only the run will tell.

    `for_each: params.hosts` counts the items of the parameter's default.
    """
    if step.on is None and step.for_each is None:
        return 1
    targets, items = _targets(workflow, step), _items(workflow, step)
    return None if targets is None or items is None else targets * items


def runs_of(workflow: Workflow, step: StepBase) -> int:
    """How often a step runs; a number that only the run will tell counts as `UNKNOWN`."""
    known = fan_out(workflow, step)
    return UNKNOWN if known is None else known


def _targets(workflow: Workflow, step: StepBase) -> int | None:
    if step.on is None or step.on.strip() != "targets":
        return 1
    return len(workflow.targets) or None


def _items(workflow: Workflow, step: StepBase) -> int | None:
    items = step.for_each
    if items is None:
        return 1
    if not isinstance(items, str):
        return max(1, len(items))
    if items.strip() == "targets":
        return len(workflow.targets) or None
    named = _PARAMETER.fullmatch(items)
    parameter = workflow.parameters.get(named[1]) if named else None
    return max(1, len(parameter.default)) if parameter and isinstance(parameter.default, list) else None
