"""Sends a case to a Celery worker that pretends its steps."""

from time import monotonic
from uuid import uuid4

from celery_bridge.remote import link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from codegen.document import canonical
from flows.endings import why
from rehearsal.course import Course, main_leaves
from rehearsal.reading import Rehearsal
from rehearsal.verdicts import Verdict, differences
from steps.testing import Recorder
from tests.conformance.cases import BEHAVIOUR


async def judged_remotely(rehearsal: Rehearsal, settings: BridgeSettings) -> Verdict:
    """Run a case on the worker and compare."""
    begun, recorder = monotonic(), Recorder()
    case = rehearsal.case.model_dump(mode="json", include={"leaves"}, exclude_unset=True)
    document = {**canonical(rehearsal.workflow), "metadata": {BEHAVIOUR: case["leaves"] if case else {}}}
    sent = Submission(document, rehearsal.case.parameters, rehearsal.targets, str(uuid4()))
    report = await run_remotely(link_to(settings), sent, recorder, lambda notice: None)
    course = Course(report, why(report, main_leaves(rehearsal.workflow)), tuple(recorder.events))
    return Verdict(rehearsal, "celery", differences(rehearsal, course), monotonic() - begun)
