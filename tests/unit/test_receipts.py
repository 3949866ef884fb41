"""The receipt of a run that was cancelled: what was stopped, what may go on, what never began."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from celery_bridge.never_started import never_started
from codegen.document import parse
from codegen.errors import DocumentError
from codegen.result import Receipt, Report, Unconfirmed
from rehearsal.lives import Kept
from steps.entries import Entry
from steps.interpreter import interpret
from steps.journal import Journal
from steps.task_service import Call, Ended, Revoked, Tell
from steps.workflow_run import WorkflowRun
from tests.unit.http_server import serving
from tests.unit.lives import live
from tests.unit.waiting import wait_until


def command(id: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "command", "command": text, **more}


def run_of(*steps: dict[str, Any], celery: Any = None, **more: Any) -> WorkflowRun:
    document = parse({"name": "n", "steps": list(steps), **more})
    return interpret(document, run_id="r", celery=celery)


async def receipt_once(run: WorkflowRun, begun: Callable[[], bool]) -> Receipt:
    """Cancel the run when it has come so far; its receipt."""
    working = asyncio.create_task(run.run())
    await wait_until(begun)
    run.cancel()
    return of(await working)


def of(report: Report) -> Receipt:
    assert report.cancelled
    assert report.receipt is not None
    return report.receipt


async def test_what_ran_was_stopped_and_the_rest_never_began(tmp_path: Path) -> None:
    """Each execution has the name that the log gives it; those that had ended are not mentioned."""
    steps = (
        command("done", "true"),
        command("work", f"touch {tmp_path}/{{{{ target }}}}; sleep 600", on="targets", max_parallel=2),
        command("after", "true"),
    )
    run = run_of(*steps, targets=["web-1.localhost", "web-2.localhost", "web-3.localhost"])
    receipt = await receipt_once(run, lambda: len(list(tmp_path.iterdir())) == 2)
    assert receipt.confirmed_at is not None
    assert receipt.asked_at <= receipt.confirmed_at
    assert receipt == Receipt(
        asked_at=receipt.asked_at,
        confirmed_at=receipt.confirmed_at,
        running=2,
        stopped=("work on web-1.localhost", "work on web-2.localhost"),
        never_began=("work on web-3.localhost", "after"),
    )


async def test_a_request_that_is_not_answered_is_not_confirmed(tmp_path: Path) -> None:
    """It may have arrived, and nobody says whether what it began has ended; the command beside it has."""
    with serving() as server:
        url = f"{server.url}/silence"
        both = [{"id": "ask", "type": "http", "url": url}, command("work", f"touch {tmp_path}/up; sleep 600")]
        run = run_of({"id": "both", "type": "parallel", "steps": both})
        receipt = await receipt_once(run, lambda: bool(server.requests) and (tmp_path / "up").exists())
    doubt = Unconfirmed(step="ask", reason=f"GET {url} may have arrived, and what it began there may go on")
    assert (receipt.running, receipt.stopped, receipt.unconfirmed) == (2, ("work",), (doubt,))


class Unable:
    """A task service whose task goes on."""

    def __init__(self) -> None:
        self.began = asyncio.Event()

    async def run(self, call: Call, tell: Tell) -> Ended:
        self.began.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def revoke(self, call: Call) -> Revoked:
        return Revoked(f"{call.task} is revoked: w can't end it", confirmed=False)


@pytest.mark.parametrize("inside", [False, True], ids=["", "in another document"])
async def test_a_task_that_its_worker_cannot_end_is_not_confirmed(inside: bool) -> None:
    """The reason is what is known of it; a step that runs another document has those of its steps."""
    task = {"id": "pay", "type": "celery_task", "task": "pay"}
    steps, more, reason = [task], dict[str, Any](), "pay is revoked: w can't end it"
    if inside:
        more = {"workflows": {"inner": {"name": "inner", "steps": [task]}}}
        steps = [{"id": "call", "type": "workflow", "workflow": "inner"}]
        reason = f"pay: {reason}"
    service = Unable()
    receipt = await receipt_once(run_of(*steps, celery=service, **more), service.began.is_set)
    assert (receipt.running, receipt.stopped) == (1, ())
    assert receipt.unconfirmed == (Unconfirmed(step=steps[0]["id"], reason=reason),)
    assert receipt.confirmed_at is None


async def test_what_a_race_had_ended_before_is_no_affair_of_it(tmp_path: Path) -> None:
    """Neither the one that lost nor the one that had never begun."""
    race = {
        "id": "race",
        "type": "parallel",
        "wait_for": "any",
        "steps": [
            command("wins", "true"),
            command("loses", "sleep 600"),
            command("later", "true", depends_on=["loses"]),
        ],
    }
    run = run_of(race, command("work", f"touch {tmp_path}/up; sleep 600"))
    receipt = await receipt_once(run, (tmp_path / "up").exists)
    assert (receipt.stopped, receipt.unconfirmed, receipt.never_began) == (("work",), (), ())


def test_a_run_that_never_began_stopped_nothing() -> None:
    """Neither on Celery, nor one that is cancelled before its first step."""
    document = {"name": "n", "steps": [command("a", "true"), command("b", "true")]}
    for receipt in (of(never_started(document)), of(live(document, cancelled=True).report)):
        assert (receipt.running, receipt.never_began) == (0, ("a", "b"))


def test_a_run_that_never_began_may_be_of_a_document_that_is_refused_by_now() -> None:
    """It was accepted when the run was asked for."""
    fails = {"id": "f", "type": "fail", "message": "no"}
    document = {"name": "n", "steps": [fails, command("a", "true", depends_on=["f"], join="any")]}
    with pytest.raises(DocumentError, match="can never be met"):
        parse(document)
    assert of(never_started(document)).never_began == ("f", "a")


def test_what_a_dead_process_was_at_is_not_confirmed() -> None:
    """Whoever ends the run in its place knows no more; the moment is when it was first asked for."""
    document = {
        "name": "n",
        "steps": [command("a", "true"), command("b", "true"), command("c", "true")],
    }
    before = live(document).entries[:2]
    assert [entry.kind for entry in before] == ["start", "tried"]
    asked = Entry("cancel", "run")
    receipt = of(live(document, before=[*before, asked]).report)
    assert receipt.asked_at == asked.time
    assert [one.step for one in receipt.unconfirmed] == ["b"]
    assert "the process that ran it died" in receipt.unconfirmed[0].reason
    assert (receipt.running, receipt.stopped, receipt.never_began) == (1, (), ("c",))


def test_what_was_left_in_order_was_not_cut_off() -> None:
    """A run that gave its process back to wait for an answer had nothing else going on."""
    document = {"name": "n", "steps": [command("a", "true"), command("b", "true")]}
    before = [*live(document).entries[:2], Entry("waits", "run.b"), Entry("cancel", "run")]
    receipt = of(live(document, before=before).report)
    assert (receipt.running, receipt.never_began) == (0, ("b",))


async def test_a_later_life_tells_what_the_one_before_had_stopped(tmp_path: Path) -> None:
    """One that dies while it undoes hands on what it knew of the steps that it had stopped."""

    kept = Kept()
    document = parse({"name": "n", "steps": [command("work", f"touch {tmp_path}/up; sleep 600")]})
    first = await receipt_once(
        interpret(document, run_id="r", journal=Journal("r", kept)), (tmp_path / "up").exists
    )
    again = interpret(document, run_id="r", journal=Journal("r", kept, list(kept.entries)))
    second = of(await again.run())
    assert first.stopped == ("work",)
    assert second == first.model_copy(update={"asked_at": second.asked_at})
