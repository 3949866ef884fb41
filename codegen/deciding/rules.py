"""Which rule of a policy a document falls under."""

from codegen.decision import Level
from codegen.lists import every_step
from codegen.policy import Match, RoutingPolicy, Rule
from codegen.workflow import Workflow


def first_match(policy: RoutingPolicy, workflow: Workflow, leaves: int, level: Level) -> Rule | None:
    """The first rule whose conditions the document meets."""
    return next((rule for rule in policy.rules if _fits(rule.when, workflow, leaves, level)), None)


def _fits(when: Match, workflow: Workflow, leaves: int, level: Level) -> bool:
    return (
        (when.type is None or workflow.type in when.type)
        and (when.tags is None or not set(when.tags).isdisjoint(workflow.tags))
        and (when.level is None or level in when.level)
        and (when.min_steps is None or leaves >= when.min_steps)
        and (when.risk is None or not _risks(workflow).isdisjoint(when.risk))
        and (when.effects is None or not _effects(workflow).isdisjoint(when.effects))
    )


def _risks(workflow: Workflow) -> set[str]:
    return {risk for risk in (workflow.risk, *(step.risk for _, step in every_step(workflow))) if risk}


def _effects(workflow: Workflow) -> set[str]:
    return {step.effects for _, step in every_step(workflow) if step.effects}
