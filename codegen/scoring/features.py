"""What a document uses besides plain steps: conditions, safeguards against failure, advanced features."""

from collections import Counter
from dataclasses import dataclass, field

from codegen.groups import Condition, Group, Step, Switch, walk
from codegen.lists import step_lists
from codegen.scoring.fanout import fan_out
from codegen.workflow import Workflow

ADVANCED_TYPES = frozenset(
    {
        "network_check",
        "network_capture",
        "network_monitor",
        "protocol_analysis",
        "ai_diagnosis",
        "approval",
        "container",
        "workflow",
    }
)


@dataclass(frozen=True, slots=True)
class Features:
    """How often each is used, by the words people know it by; `unknown` steps run we don't know how often."""

    conditions: Counter[str] = field(default_factory=Counter)
    safeguards: Counter[str] = field(default_factory=Counter)
    advanced: Counter[str] = field(default_factory=Counter)
    unknown: int = 0


def features_of(workflow: Workflow) -> Features:
    """Counts over all steps, handler steps included."""
    conditions, safeguards, advanced = Counter[str](), Counter[str](), Counter[str]()
    unknown = 0
    if workflow.requires_approval:
        advanced["approval of the run"] += 1
    for path, steps in step_lists(workflow):
        kind = _kind_of_list(path)
        for _, step in walk(steps):
            _count_conditions(step, conditions)
            _count_advanced(step, advanced)
            if step.retry is not None and step.retry.attempts > 1:
                safeguards["retry"] += 1
            if kind and not isinstance(step, Group):
                safeguards[kind] += 1
            unknown += fan_out(workflow, step) is None
    return Features(conditions, safeguards, advanced, unknown)


def _kind_of_list(path: str) -> str:
    """Handlers are what runs after a failure, or in any case."""
    if path == "steps":
        return ""
    return "rollback step" if path.endswith(".rollback") else "handler step"


def _count_conditions(step: Step, count: Counter[str]) -> None:
    if isinstance(step, Condition):
        count["branch"] += 2 if step.else_ else 1
    elif step.when is not None:
        count["step with when"] += 1
    if isinstance(step, Switch):
        count["branch"] += len(step.cases) + bool(step.default)
    if step.run_if != "succeeded":
        count["step with run_if"] += 1


def _count_advanced(step: Step, count: Counter[str]) -> None:
    if step.type in ADVANCED_TYPES:
        count[f"{step.type} step"] += 1
    if step.requires_approval:
        count["step with requires_approval"] += 1
    if step.rollout is not None:
        count["step with rollout"] += 1
