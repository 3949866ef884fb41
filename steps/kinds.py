"""Which executor does which type of step."""

from collections.abc import Mapping

from steps.approval import approval
from steps.call import python
from steps.celery_task import celery_task
from steps.command import command
from steps.ending import fail, stop
from steps.executor import Executor
from steps.notification import notification
from steps.prefect_events import emit, listen
from steps.script import script
from steps.sub_workflow import run_workflow
from steps.validation import validation
from steps.values import set_values
from steps.waiting import wait
from steps.web import http

EXECUTORS: Mapping[str, Executor[...]] = {
    "approval": approval,
    "celery_task": celery_task,
    "command": command,
    "emit": emit,
    "fail": fail,
    "http": http,
    "listen": listen,
    "notification": notification,
    "python": python,
    "script": script,
    "set": set_values,
    "stop": stop,
    "validation": validation,
    "wait": wait,
    "workflow": run_workflow,
}
