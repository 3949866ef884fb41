"""Which engine can't honour what, and that the table speaks of the language as it is."""

from typing import Any

import pytest

from codegen.capability import LIMITS, able
from codegen.groups import STEP_TYPES
from codegen.step import StepBase
from codegen.workflow import Workflow
from tests.unit.random_documents import step, workflow
from tests.unit.reference_documents import triage

APPROVAL = {"id": "ask", "type": "approval", "message": "go on?"}
RUN_INNER = {"id": "r", "type": "workflow", "workflow": "in/ner"}


@pytest.mark.parametrize(
    ("steps", "keys", "path", "construct"),
    [
        ([APPROVAL], {}, "steps[0].type", "approval"),
        ([{"id": "e", "type": "emit", "event": "x"}], {}, "steps[0].type", "emit"),
        ([step("a"), {"id": "l", "type": "listen", "event": "x"}], {}, "steps[1].type", "listen"),
        ([step("a", requires_approval=True)], {}, "steps[0].requires_approval", "requires_approval"),
        ([step("a")], {"requires_approval": True}, "requires_approval", "requires_approval"),
        (
            [{"id": "c", "type": "condition", "when": "x", "then": [step("a")], "else": [APPROVAL]}],
            {},
            "steps[0].else[0].type",
            "approval",
        ),
        ([step("a", on_error={"steps": [APPROVAL]})], {}, "steps[0].on_error.steps[0].type", "approval"),
        ([step("a", rollback=[APPROVAL])], {}, "steps[0].rollback[0].type", "approval"),
        ([step("a")], {"on_failure": [APPROVAL]}, "on_failure[0].type", "approval"),
        ([step("a")], {"finally": [APPROVAL]}, "finally[0].type", "approval"),
    ],
)
def test_celery_cannot_ask_people_or_talk_to_prefect(
    steps: list[Any], keys: dict[str, Any], path: str, construct: str
) -> None:
    """Wherever in the document it stands, the reason has its path; Prefect can."""
    reasons = able(workflow(steps, **keys))
    assert [(reason.path, reason.construct) for reason in reasons["celery"]] == [(path, f"'{construct}'")]
    assert reasons["celery"][0].why in str(reasons["celery"][0])
    assert reasons["prefect"] == ()


def test_prefect_has_no_queues() -> None:
    """A document for the workers of a queue is for Celery."""
    reasons = able(workflow([step("a")], queue="linux", priority="high"))
    assert [(reason.path, reason.construct) for reason in reasons["prefect"]] == [("queue", "'queue'")]
    assert reasons["celery"] == ()


def test_all_reasons_are_given() -> None:
    """One for each use, in the order of the document."""
    reasons = able(workflow([APPROVAL, {**APPROVAL, "id": "again"}], requires_approval=True))
    assert [reason.path for reason in reasons["celery"]] == [
        "requires_approval",
        "steps[0].type",
        "steps[1].type",
    ]


def test_a_document_that_is_run_counts_too() -> None:
    """However deep it stands; the path names where."""
    inner = {"name": "Inner", "steps": [step("b"), APPROVAL], "requires_approval": True}
    outer = {"name": "Outer", "steps": [RUN_INNER], "workflows": {"in/ner": inner}}
    reasons = able(workflow([{**RUN_INNER, "workflow": "outer"}], workflows={"outer": outer}))
    inside = 'workflows.outer.workflows["in/ner"]'
    assert [str(reason) for reason in reasons["celery"]] == [
        f"'requires_approval' at {inside}.requires_approval: {reasons['celery'][0].why}",
        f"'approval' at {inside}.steps[1].type: {reasons['celery'][1].why}",
    ]
    assert reasons["prefect"] == ()


def test_most_documents_can_run_on_either_engine() -> None:
    """Conditions, groups, retries and handlers are no reason."""
    assert able(triage()) == {"celery": (), "prefect": ()}


def test_every_limit_is_on_a_construct_of_the_language() -> None:
    """Any other would never be found."""
    known = {
        "step type": set(STEP_TYPES),
        "step key": set(StepBase.model_fields),
        "document key": set(Workflow.model_fields),
    }
    assert [(kind, name) for kind, name in LIMITS if name not in known[kind]] == []
