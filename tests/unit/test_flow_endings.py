"""What a run says of itself that did not succeed."""

import logging
from datetime import UTC, datetime

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Scheduled

from celery_bridge.errors import BridgeError, EngineFailed, EngineUnreachable, WorkerLost
from codegen.result import Report, StepError, StepRecord
from flows.endings import WAITING_IS_NO_ERROR, ended_by, unsuccessful, why

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RAN = StepRecord(status="succeeded", started_at=NOW)
STOPPED = StepRecord(status="cancelled", started_at=NOW)
WAITING = StepRecord(status="cancelled")
LEAVES = ("a", "b", "c")


def report(*, cancelled: bool = False, error: StepError | None = None, **steps: StepRecord) -> Report:
    success = not cancelled and error is None
    return Report(
        success=success, cancelled=cancelled, error=error, steps=steps, start_time=NOW, end_time=NOW
    )


def test_what_could_not_be_undone_is_named() -> None:
    """After the reason, each with its place."""
    left = [
        StepError(message="exit code 1", step="copy", index=1, place="[2][1]"),
        StepError(message="exit code 2", step="deploy", target="web-1", index=0, place="on web-1"),
        StepError(message="exit code 3", step="mark"),
    ]
    failed = report(error=StepError(message="x", step="a")).model_copy(update={"not_undone": tuple(left)})
    assert why(failed, LEAVES) == (
        "step 'a' failed: x; copy [2][1] could not be undone: exit code 1; "
        "deploy on web-1 could not be undone: exit code 2; mark could not be undone: exit code 3"
    )


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (report(a=RAN), None),
        (report(error=StepError(message="exit code 1", step="a")), "step 'a' failed: exit code 1"),
        (report(cancelled=True, a=RAN, b=STOPPED, c=WAITING), "Cancelled: stopped b; 1 step did not start"),
        (
            report(cancelled=True, a=WAITING, b=WAITING),
            "Cancelled: no main step was running; 2 steps did not start",
        ),
        (report(cancelled=True, group=STOPPED, a=STOPPED, other=WAITING), "Cancelled: stopped a"),
        (report(error=StepError(message="it took too long", step="")), "it took too long"),
        (
            report(cancelled=True, error=StepError(message="x", step="a"), b=STOPPED),
            "Cancelled: stopped b; step 'a' failed: x",
        ),
    ],
)
def test_the_reason(ended: Report, told: str | None) -> None:
    """What failed first, or what was ended; groups aren't steps that run, and success needs no reason."""
    reason = why(ended, LEAVES)
    state = unsuccessful(ended, reason, "the data")
    if told is None:
        assert (reason, state) == (None, None)
        return
    assert reason is not None
    assert reason == told
    assert state is not None
    assert (state.name, state.message) == ("Cancelled" if ended.cancelled else "Failed", reason)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (WorkerLost("gone"), "Lost"),
        (EngineFailed("refused"), "Failed"),
        (EngineUnreachable("away"), "Failed"),
    ],
)
def test_a_run_without_a_report_says_why(error: BridgeError, name: str) -> None:
    """Lost is one thing only: nobody knows what it did last."""
    state = ended_by(error)
    assert (state.type, state.name, state.message, state.data) == ("FAILED", name, str(error), error)


def test_a_lost_step_makes_a_lost_run() -> None:
    """It failed, under a name of its own."""
    ended = report(error=StepError(message="x", step="a"), a=RAN, b=StepRecord(status="lost"))
    state = unsuccessful(ended, why(ended, LEAVES))
    assert state is not None
    assert (state.type, state.name) == ("FAILED", "Lost")


@pytest.mark.parametrize(("name", "level"), [("AwaitingApproval", logging.INFO), ("Failed", logging.ERROR)])
def test_that_a_run_waits_for_people_is_no_error_in_its_log(name: str, level: int) -> None:
    """What Prefect says of other ends stays as it is."""
    state: State[None] = Scheduled(name=name, message="Waits for an answer: ask")
    record = logging.LogRecord("n", logging.ERROR, "", 1, f"Finished in state {state}", None, None)
    assert WAITING_IS_NO_ERROR.filter(record)
    assert (record.levelno, record.levelname) == (level, logging.getLevelName(level))
