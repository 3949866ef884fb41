"""Questions to people, as they stand in Prefect: the form, what is written into it, and who may write."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas.objects import FlowRun, StateType

from control.errors import AnswerRefused, NoSuchQuestion
from steps.questions import Answer

FLOW, PAUSE, STEP, TRY = "approval", "approval", "step", "try"
"""The flow whose runs are questions, the key of their pause, and the parameters that name step and try."""
LONGEST_COMMENT = 2_000


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """One that waits for its answer; `about` names the step."""

    id: str
    about: str
    message: str


def form(approvers: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of the form: yes or no, who says so, and a comment."""
    by: dict[str, Any] = {"enum": list(approvers)} if approvers else {"minLength": 1, "maxLength": 200}
    return {
        "title": "Approval",
        "type": "object",
        "properties": {
            "approve": {"title": "Approve?", "type": "string", "enum": ["yes", "no"], "position": 0},
            "by": {"title": "Your name", "type": "string", "position": 1, **by},
            "comment": {
                "title": "Comment",
                "type": "string",
                "default": "",
                "maxLength": LONGEST_COMMENT,
                "position": 2,
            },
        },
        "required": ["approve", "by"],
        "additionalProperties": False,
    }


def answer_in(written: str, at: str) -> Answer:
    """What somebody wrote into the form, which Prefect has checked."""
    said = json.loads(written)
    return Answer(said["approve"] == "yes", said["by"], at, (said.get("comment") or "").strip())


def open_questions(runs: Sequence[FlowRun]) -> list[OpenQuestion]:
    """Those of these flow runs that wait for an answer."""
    return [
        OpenQuestion(str(run.id), str(run.parameters[STEP]), str(run.parameters.get("message", "")))
        for run in runs
        if FLOW in run.tags and STEP in run.parameters and run.state_type is StateType.PAUSED
    ]


def chosen(questions: Sequence[OpenQuestion], step: str | None, run: str) -> OpenQuestion:
    """The one that is meant. Raises NoSuchQuestion."""
    wanted = [one for one in questions if step in (None, one.about)]
    if len(wanted) != 1:
        raise NoSuchQuestion(run, step, [one.about for one in questions])
    return wanted[0]


async def give(api: Api, question: OpenQuestion, *, approve: bool, by: str, comment: str) -> None:
    """Answer as the form does. Raises AnswerRefused."""
    said = {"approve": "yes" if approve else "no", "by": by, "comment": comment}
    result = await api.resume_flow_run(UUID(question.id), run_input=said)
    if result.status.value != "ACCEPT":
        raise AnswerRefused(question.about, why_refused(getattr(result.details, "reason", None)))


def why_refused(reason: str | None) -> str:
    """Prefect's reason, in fewer words where it is one of a name that doesn't count."""
    told = (reason or "no reason is given").removeprefix("Reason: ")
    _, is_name, why = told.partition("Validation failed for field 'by'. Failure reason: ")
    return f"{why}: say who answers with --by" if is_name else told
