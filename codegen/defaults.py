"""Step keys that a document says once for all its steps."""

from __future__ import annotations

from typing import Any

from codegen.fields import Duration, Model, Positive, Template
from codegen.groups import Condition, Group, Parallel, Sequential, Step, Switch
from codegen.leaves import Approval, Fail, Stop
from codegen.step import Retry, RunIf

# What these do is done once: end the run, ask a person, or hold other steps, which inherit for themselves.
_ONLY_ONCE = (Group, Fail, Stop, Approval)
_EVERY_STEP = ("run_if", "continue_on_error")
_LEAVES = ("retry", "timeout", "on", "max_parallel", "idempotent")


class Defaults(Model):
    """Step keys that every step inherits unless it says otherwise."""

    retry: Retry | None = None
    timeout: Duration | None = None
    on: Template | None = None
    run_if: RunIf | None = None
    continue_on_error: bool | None = None
    max_parallel: Positive | None = None
    idempotent: bool | None = None


def inherit(steps: tuple[Step, ...], defaults: Defaults) -> tuple[Step, ...]:
    """The steps, saying themselves what the defaults say and they don't."""
    return tuple(_inheriting(step, defaults) for step in steps)


def _inheriting(step: Step, defaults: Defaults) -> Step:
    keys = _EVERY_STEP + (() if isinstance(step, _ONLY_ONCE) else _LEAVES)
    given = {key: getattr(defaults, key) for key in keys if key in defaults.model_fields_set}
    changes: dict[str, Any] = {key: value for key, value in given.items() if key not in step.model_fields_set}
    if step.for_each is None and (step.on or changes.get("on")) is None:
        changes.pop("max_parallel", None)
    # Inner steps and handlers belong to an execution of their step: where that has a target, they have it.
    here = defaults if (step.on or changes.get("on")) is None else _without_on(defaults)
    changes |= _within(step, here)
    if step.on_error is not None:
        changes["on_error"] = step.on_error.model_copy(update={"steps": inherit(step.on_error.steps, here)})
    if step.rollback:
        changes["rollback"] = inherit(step.rollback, here)
    return step.model_copy(update=changes) if changes else step


def _without_on(defaults: Defaults) -> Defaults:
    """The defaults for steps that are a part of an execution on a target."""
    kept = {key: getattr(defaults, key) for key in defaults.model_fields_set if key != "on"}
    return Defaults.model_construct(**kept)


def _within(step: Step, defaults: Defaults) -> dict[str, Any]:
    match step:
        case Sequential() | Parallel():
            return {"steps": inherit(step.steps, defaults)}
        case Condition():
            inner = {"then": step.then, "else_": step.else_}
            return {key: inherit(steps, defaults) for key, steps in inner.items() if steps}
        case Switch():
            cases = {key: inherit(steps, defaults) for key, steps in step.cases.items()}
            return {"cases": cases} | ({"default": inherit(step.default, defaults)} if step.default else {})
        case _:
            return {}
