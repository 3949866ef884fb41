"""What this version runs. A document that uses anything else is refused by name, never run wrongly."""

from collections.abc import Iterator

from codegen.errors import Problem
from codegen.step import StepBase
from codegen.workflow import Group, Parallel, Workflow, sections, walk

RUNNABLE = frozenset(
    {
        "command",
        "script",
        "http",
        "python",
        "set",
        "fail",
        "stop",
        "wait",
        "validation",
        "notification",
        "sequential",
        "parallel",
        "condition",
    }
)

NOT_BUILT_STEP_KEYS = (
    "enabled",
    "join",
    "repeat",
    "rollout",
    "failed_when",
    "succeeded_when",
    "on_error",
    "rollback",
    "idempotent",
    "requires_approval",
)
NOT_BUILT_WORKFLOW_KEYS = ("timeout", "requires_approval", "defaults", "concurrency", "triggers")
NOT_BUILT_GROUP_KEYS = ("on", "for_each", "max_parallel", "retry", "timeout", "outputs")


def unsupported(workflow: Workflow) -> Iterator[Problem]:
    """Each construct of the document that this version can't run."""
    yield from (_not_built(key, key) for key in NOT_BUILT_WORKFLOW_KEYS if _says(workflow, key))
    for name, parameter in workflow.parameters.items():
        if parameter.secret:
            yield _not_built(f"parameters.{name}.secret", "secret parameters")
    for section, steps in sections(workflow):
        for path, step in walk(steps, section):
            yield from _unsupported_in(path, step)


def _unsupported_in(path: str, step: StepBase) -> Iterator[Problem]:
    kind = getattr(step, "type", "")
    if kind not in RUNNABLE:
        yield Problem(
            f"{path}.type",
            f"steps of type {kind!r} can't be run by this version",
            f"use one of: {', '.join(sorted(RUNNABLE))}",
        )
    keys = NOT_BUILT_STEP_KEYS + (NOT_BUILT_GROUP_KEYS if isinstance(step, Group) else ())
    for key in keys:
        if _says(step, key):
            what = f"{key!r} on a group" if key in NOT_BUILT_GROUP_KEYS else repr(key)
            yield _not_built(f"{path}.{key}", what)
    if isinstance(step, Parallel) and step.wait_for != "all":
        yield _not_built(f"{path}.wait_for", f"'wait_for: {step.wait_for}'")
    if step.on is not None and step.for_each is not None:
        yield Problem(
            f"{path}.for_each",
            "'on' together with 'for_each' can't be run by this version",
            "use one of them",
        )


def _says(model: Workflow | StepBase, key: str) -> bool:
    """Whether the document says something else than the default."""
    return key in model.model_fields_set and getattr(model, key) != type(model).model_fields[key].get_default(
        call_default_factory=True
    )


def _not_built(path: str, what: str) -> Problem:
    return Problem(path, f"{what} can't be run by this version", "leave it out")
