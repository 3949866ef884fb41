"""The report of a run that was cancelled before it began."""

from collections.abc import Mapping
from typing import Any

from codegen.document import accepted
from codegen.groups import walk
from codegen.leaves import Leaf
from codegen.result import Report, StepError, StepRecord
from codegen.workflow import sections
from steps.events import now
from steps.receipts import receipt_of


def never_started(document: Mapping[str, Any]) -> Report:
    """A report that says of every step that it was cancelled."""
    workflow, moment = accepted(document), now()
    steps = {
        step.id: StepRecord(status="cancelled", error=StepError(message="cancelled", step=step.id))
        for section, listed in sections(workflow)
        for _, step in walk(listed, section)
    }
    leaves = [step.id for _, step in walk(workflow.steps) if isinstance(step, Leaf)]
    return Report(
        success=False,
        cancelled=True,
        receipt=receipt_of(steps, leaves, moment),
        steps=steps,
        start_time=moment,
        end_time=moment,
    )
