"""What one step does: functions whose arguments are the step's own keys."""

from steps.approval import approval
from steps.call import python
from steps.celery_task import celery_task
from steps.command import command
from steps.ending import fail, stop
from steps.errors import StepFailed
from steps.judging import judged
from steps.notification import notification
from steps.prefect_events import emit, listen
from steps.scope import Outcome, Scope
from steps.script import script
from steps.sub_workflow import run_workflow
from steps.validation import validation
from steps.values import set_values
from steps.waiting import wait
from steps.web import http

__all__ = [
    "Outcome",
    "Scope",
    "StepFailed",
    "approval",
    "celery_task",
    "command",
    "emit",
    "fail",
    "http",
    "judged",
    "listen",
    "notification",
    "python",
    "run_workflow",
    "script",
    "set_values",
    "stop",
    "validation",
    "wait",
]
