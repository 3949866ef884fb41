"""A report and a decision become the result of a run."""

from datetime import datetime

from codegen.decision import Decision
from codegen.document import workflow_id
from codegen.groups import walk
from codegen.leaves import Leaf
from codegen.result import Report, RunResult
from codegen.workflow import Workflow
from flows.endings import why


def result_of(
    workflow: Workflow, decision: Decision, report: Report, execution_id: str, refusal: str | None = None
) -> RunResult:
    """The result of a run, equal from both engines but for times, ids and `engine_used`.

    `refusal` says why the run was not to start.
    """
    leaves = [step.id for _, step in walk(workflow.steps) if isinstance(step, Leaf)]
    done = sum(report.steps[id].status in ("succeeded", "skipped") for id in leaves)
    return RunResult(
        workflow_id=workflow_id(workflow),
        engine_used=decision.engine,
        success=report.success,
        execution_id=execution_id,
        start_time=report.start_time,
        end_time=report.end_time,
        duration_seconds=(report.end_time - report.start_time).total_seconds(),
        steps_completed=done,
        total_steps=len(leaves),
        result_data=report.outputs,
        error_message=refusal or why(report),
        logs=report.logs,
        cancelled=report.cancelled,
        receipt=report.receipt,
        not_undone=report.not_undone,
        decision=decision,
        steps=report.steps,
    )


def asked_for(report: Report, moment: datetime | None) -> Report:
    """The report with the moment when the run was asked to end here, before its engine heard of that."""
    receipt = report.receipt
    if receipt is None or moment is None or moment >= receipt.asked_at:
        return report
    return report.model_copy(update={"receipt": receipt.model_copy(update={"asked_at": moment})})
