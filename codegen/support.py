"""What this version runs. A document that uses anything else is refused by name, never run wrongly."""

from collections.abc import Iterator

from codegen.errors import Problem
from codegen.lists import every_step
from codegen.step import StepBase
from codegen.workflow import Workflow

RUNNABLE = frozenset(
    {
        "approval",
        "celery_task",
        "command",
        "script",
        "http",
        "listen",
        "python",
        "set",
        "emit",
        "fail",
        "stop",
        "wait",
        "validation",
        "notification",
        "sequential",
        "parallel",
        "condition",
        "switch",
        "workflow",
    }
)

NOT_BUILT_STEP_KEYS = ("rollout",)
NOT_BUILT_WORKFLOW_KEYS = ("triggers",)


def unsupported(workflow: Workflow) -> Iterator[Problem]:
    """Each construct of the document that this version can't run."""
    yield from (not_built(key, key) for key in NOT_BUILT_WORKFLOW_KEYS if _says(workflow, key))
    for path, step in every_step(workflow):
        yield from _unsupported_in(path, step)


def _unsupported_in(path: str, step: StepBase) -> Iterator[Problem]:
    kind = getattr(step, "type", "")
    if kind not in RUNNABLE:
        yield type_not_built(f"{path}.type", kind)
    for key in NOT_BUILT_STEP_KEYS:
        if _says(step, key):
            yield not_built(f"{path}.{key}", repr(key))


def _says(model: Workflow | StepBase, key: str) -> bool:
    """Whether the document says something else than the default."""
    return key in model.model_fields_set and getattr(model, key) != type(model).model_fields[key].get_default(
        call_default_factory=True
    )


def not_built(path: str, what: str) -> Problem:
    """The refusal of a key."""
    return Problem(path, f"{what} can't be run by this version", "leave it out")


def type_not_built(path: str, kind: str) -> Problem:
    """The refusal of a type of step."""
    return Problem(
        path,
        f"steps of type {kind!r} can't be run by this version",
        f"use one of: {', '.join(sorted(RUNNABLE))}",
    )
