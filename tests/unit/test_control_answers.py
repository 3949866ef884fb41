"""What a server's answer says, in words; and a run's status as data."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from control.answers import is_refusal, told_by
from control.questions import why_refused
from control.runs import PartStatus, RunLog, RunStatus

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def error_with(status: int, content: bytes) -> httpx.HTTPStatusError:
    """The error that httpx makes of an answer."""
    request = httpx.Request("POST", "http://server/api/flow_runs/")
    return httpx.HTTPStatusError("", request=request, response=httpx.Response(status, content=content))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (422, {"exception_detail": [{"msg": "Value error, too odd", "input": "S" * 9999}]}, "422: too odd"),
        (422, {"detail": [{"msg": "a"}, {"msg": "b"}]}, "422: a; b"),
        (409, {"detail": "it is there"}, "409: it is there"),
        (400, {"exception_message": "Invalid request received."}, "400: Invalid request received."),
        (500, {"exception_message": "Internal Server Error"}, "500: Internal Server Error"),
        (502, None, "502: no reason is given"),
        (404, [1], "404: no reason is given"),
        (401, {"detail": [1, "x", {}]}, "401: no reason is given"),
    ],
)
def test_the_reason_is_found(status: int, body: object, told: str) -> None:
    """Every shape of answer gives a short reason, without what was sent."""
    content = b"<html>" if body is None else json.dumps(body).encode()
    error = error_with(status, content)
    assert told_by(error) == f"it answers {told}"
    assert is_refusal(error) == (status in (400, 409, 422))


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "Reason: Validation failed for field 'by'. Failure reason: 'eve' is not one of ['ann']",
            "'eve' is not one of ['ann']: say who answers with --by",
        ),
        ("Flow run is not paused.", "Flow run is not paused."),
        (None, "no reason is given"),
    ],
)
def test_an_answer_that_is_not_taken(reason: str | None, told: str) -> None:
    """A name that doesn't count comes with what to do; anything else is said as Prefect says it."""
    assert why_refused(reason) == told


def test_a_run_that_is_too_large_has_a_cure() -> None:
    """People meet this one: the message says what to do."""
    body = {"exception_detail": [{"msg": "Value error, Flow run parameters must be less than 5 bytes."}]}
    told = told_by(error_with(422, json.dumps(body).encode()))
    assert told.endswith("Split the document, or raise PREFECT_SERVER_API_MAX_PARAMETER_SIZE on the server.")


def status(state: str = "RUNNING", tags: tuple[str, ...] = ()) -> RunStatus:
    """A run in some state."""
    part = PartStatus("a", "task", "Completed", "", AT, None)
    return RunStatus("1", "x", state, state.title(), "", tags, AT, None, "http://ui/1", (part,))


@pytest.mark.parametrize(
    ("state", "final"),
    [
        ("SCHEDULED", False),
        ("PENDING", False),
        ("RUNNING", False),
        ("PAUSED", False),
        ("CANCELLING", False),
        ("COMPLETED", True),
        ("FAILED", True),
        ("CRASHED", True),
        ("CANCELLED", True),
    ],
)
def test_which_states_are_final(state: str, final: bool) -> None:
    """A run has ended in four of Prefect's states."""
    assert status(state).is_final == final


def test_engine_and_level_come_from_the_tags() -> None:
    """Before the router decided there is neither."""
    run = status(tags=("level:simple", "engine:celery", "mine"))
    assert (run.engine, run.level) == ("celery", "simple")
    assert (status().engine, status().level) == (None, None)


def test_what_was_stopped() -> None:
    """Tasks that are cancelled, crashed, or whose end was never told; a subflow is no task."""
    parts = [("a", "task", "Cancelled"), ("b", "task", "Running"), ("c", "flow", "Cancelled")]
    parts += [("d", "task", "Completed"), ("e", "task", "Failed"), ("f", "task", "Crashed")]
    run = replace(
        status(), parts=tuple(PartStatus(*part, message="", started_at=AT, ended_at=AT) for part in parts)
    )
    assert run.stopped == ("a", "f", "b")
    assert run.unfinished == ("b",)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Cancelled: no main step was running", "Cancelled: no main step was running"),
        ("Flow run was cancelled.", "Flow run was cancelled: stopped a"),
        ("", "Cancelled: stopped a"),
    ],
)
def test_a_run_without_words_of_its_own_lets_its_tasks_tell(message: str, told: str) -> None:
    """Prefect ended its process; a receipt says all there is to say."""
    part = PartStatus("a", "task", "Cancelled", "", None, None)
    assert replace(status(), message=message, parts=(part,)).what_was_stopped == told


def test_status_and_log_lines_are_json() -> None:
    """Times are ISO 8601."""
    data = json.loads(json.dumps(status(tags=("engine:prefect",)).to_json()))
    assert data["started_at"] == data["parts"][0]["started_at"] == "2026-01-02T03:04:05+00:00"
    assert (data["engine"], data["tags"], data["ended_at"]) == ("prefect", ["engine:prefect"], None)
    line = RunLog("1", AT, 25, "usage", "text").to_json()
    assert (line["time"], line["level"], line["source"]) == ("2026-01-02T03:04:05+00:00", "INFO", "usage")
