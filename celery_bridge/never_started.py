"""The report of a run that was cancelled before it began."""

from collections.abc import Mapping
from typing import Any

from codegen.document import parse
from codegen.groups import walk
from codegen.result import Report, StepError, StepRecord
from codegen.workflow import sections
from steps.events import now


def never_started(document: Mapping[str, Any]) -> Report:
    """A report that says of every step that it was cancelled."""
    steps = {
        step.id: StepRecord(status="cancelled", error=StepError(message="cancelled", step=step.id))
        for section, listed in sections(parse(document))
        for _, step in walk(listed, section)
    }
    moment = now()
    return Report(success=False, cancelled=True, steps=steps, start_time=moment, end_time=moment)
