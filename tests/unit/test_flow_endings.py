"""What a run says of itself that did not succeed."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Scheduled

from celery_bridge.errors import BridgeError, EngineFailed, EngineUnreachable, WorkerLost
from codegen.reasons import times_of
from codegen.result import Report, StepError, StepRecord
from flows.endings import WAITING_IS_NO_ERROR, ended_by, unsuccessful, why
from flows.results import asked_for
from steps.receipts import receipt_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RAN = StepRecord(status="succeeded", started_at=NOW)
LATER = NOW + timedelta(seconds=0.25)


def stopped(place: str = "", unconfirmed: str | None = None) -> StepRecord:
    """A record of what ran when it was cancelled."""
    error = StepError(message="cancelled", step="", place=place)
    return StepRecord(
        status="cancelled", attempts=1, started_at=NOW, ended_at=LATER, error=error, unconfirmed=unconfirmed
    )


STOPPED = stopped()
WAITING = StepRecord(status="cancelled")
LEAVES = ("a", "b", "c")


def report(*, cancelled: bool = False, error: StepError | None = None, **steps: StepRecord) -> Report:
    success = not cancelled and error is None
    receipt = receipt_of(steps, [id for id in LEAVES if id in steps], NOW) if cancelled else None
    return Report(
        success=success,
        cancelled=cancelled,
        error=error,
        receipt=receipt,
        steps=steps,
        start_time=NOW,
        end_time=LATER,
    )


def test_what_could_not_be_undone_is_named() -> None:
    """After the reason, each with its place."""
    left = [
        StepError(message="exit code 1", step="copy", index=1, place="[2][1]"),
        StepError(message="exit code 2", step="deploy", target="web-1", index=0, place="on web-1"),
        StepError(message="exit code 3", step="mark"),
    ]
    failed = report(error=StepError(message="x", step="a")).model_copy(update={"not_undone": tuple(left)})
    assert why(failed) == (
        "step 'a' failed: x; copy [2][1] could not be undone: exit code 1; "
        "deploy on web-1 could not be undone: exit code 2; mark could not be undone: exit code 3"
    )


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (report(a=RAN), None),
        (report(error=StepError(message="exit code 1", step="a")), "step 'a' failed: exit code 1"),
        (
            report(cancelled=True, a=RAN, b=STOPPED, c=WAITING),
            "Cancelled: stopped 1 of 1 step: b; 1 step did not start",
        ),
        (
            report(cancelled=True, a=WAITING, b=WAITING),
            "Cancelled: no main step was running; 2 steps did not start",
        ),
        (report(cancelled=True, group=STOPPED, a=STOPPED), "Cancelled: stopped 1 of 1 step: a"),
        (report(error=StepError(message="it took too long", step="")), "it took too long"),
        (
            report(cancelled=True, error=StepError(message="x", step="a"), b=STOPPED),
            "Cancelled: stopped 1 of 1 step: b; step 'a' failed: x",
        ),
        (
            report(cancelled=True, a=StepRecord(items=(STOPPED, stopped("on web-2", "still running: x")))),
            "Cancelled: stopped 1 of 2 steps: a; 1 unconfirmed: a on web-2 (still running: x)",
        ),
        (
            report(cancelled=True, a=stopped(unconfirmed="it may go on")),
            "Cancelled: stopped 0 of 1 step; 1 unconfirmed: a (it may go on)",
        ),
        (report(cancelled=True, a=RAN).model_copy(update={"receipt": None}), "Cancelled"),
    ],
)
def test_the_reason(ended: Report, told: str | None) -> None:
    """What failed first, or what was ended; groups aren't steps that run, and success needs no reason."""
    reason = why(ended)
    state = unsuccessful(ended, reason, "the data")
    if told is None:
        assert (reason, state) == (None, None)
        return
    assert reason is not None
    assert reason == told
    assert state is not None
    assert state.name == ("Cancelled" if ended.cancelled else "Failed")
    times = f" ({times_of(ended.receipt)})" if ended.receipt else ""
    assert state.message == f"{reason}{times}"


def test_the_times_of_a_cancellation() -> None:
    """When it was asked for, and when the last that ran was known to have ended, where one was."""
    told = report(cancelled=True, a=STOPPED).receipt, report(cancelled=True, a=WAITING).receipt
    assert [times_of(receipt) for receipt in told if receipt] == [
        "asked at 2026-01-01 00:00:00 UTC, confirmed 0.2 s later",
        "asked at 2026-01-01 00:00:00 UTC",
    ]


def test_the_run_was_asked_when_the_router_was() -> None:
    """The engine hears of it later; where it heard before, that stays."""
    ended = report(cancelled=True, a=STOPPED)
    moments = [NOW - timedelta(seconds=1), LATER, None]
    said = [asked_for(ended, moment).receipt for moment in moments]
    assert [receipt and receipt.asked_at for receipt in said] == [moments[0], NOW, NOW]
    assert asked_for(report(a=RAN), NOW).receipt is None


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
    state = unsuccessful(ended, why(ended))
    assert state is not None
    assert (state.type, state.name) == ("FAILED", "Lost")


@pytest.mark.parametrize(("name", "level"), [("AwaitingApproval", logging.INFO), ("Failed", logging.ERROR)])
def test_that_a_run_waits_for_people_is_no_error_in_its_log(name: str, level: int) -> None:
    """What Prefect says of other ends stays as it is."""
    state: State[None] = Scheduled(name=name, message="Waits for an answer: ask")
    record = logging.LogRecord("n", logging.ERROR, "", 1, f"Finished in state {state}", None, None)
    assert WAITING_IS_NO_ERROR.filter(record)
    assert (record.levelno, record.levelname) == (level, logging.getLevelName(level))
