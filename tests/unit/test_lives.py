"""A run that goes on after the death of its process, and one that is tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from codegen.groups import walk
from codegen.result import FINAL, StepRecord
from rehearsal.reading import Rehearsal
from steps.entries import Entry
from steps.events import Event
from tests.conformance.cases import all_cases
from tests.unit.lives import OVER, live

FAILS = {"fail": "no"}


def step(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "command", "command": "true", **more}


def group(type: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "g", "type": type, "steps": [*steps], **more}


def document(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "Lives", "steps": [*steps], **more}


def again(before: list[Entry], workflow: Any, behaviours: Any = None, start: str | None = None) -> Any:
    attempt = before[-1].attempt + 1
    return live(workflow, behaviours, before=[*before, OVER], attempt=attempt, again_from=start)


CASES = all_cases()
# Where the moments of steps decide, a run that was away for a while may go another way; what must not begin
# twice is lost.
BY_TIME = ("wait_for", "timeout", "any", "stop", "idempotent")


def _by_order(rehearsal: Rehearsal) -> bool:
    text = rehearsal.workflow.model_dump_json(exclude_defaults=True)
    return rehearsal.case.cancel_after is None and not any(f'"{word}"' in text for word in BY_TIME)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if _by_order(case)])
def test_a_run_goes_on_after_a_death_at_any_moment(name: str) -> None:
    """It ends as it would have ended, and does nothing again that had ended."""
    case = CASES[name].case
    given: dict[str, Any] = {"parameters": case.parameters, "targets": CASES[name].targets}
    whole = live(CASES[name].workflow, case.leaves, **given)
    for moment in range(1, len(whole.entries)):
        before = whole.entries[:moment]
        rest = live(CASES[name].workflow, case.leaves, before=before, **given)
        assert rest.statuses == whole.statuses
        assert rest.report.outputs == whole.report.outputs
        assert rest.report.error == whole.report.error
        assert rest.report.not_undone == whole.report.not_undone
        assert {e.key: e.record and e.record.result for e in rest.entries} == {
            e.key: e.record and e.record.result for e in whole.entries
        }
        tries = {e.key.partition(".")[2] for e in before if e.kind == "tried"}
        once = {
            key
            for key in tries
            if sum(e.key.endswith(f".{key}") and e.kind == "tried" for e in whole.entries) == 1
        }
        assert not [key for key in once if rest.done[key]]
        assert set(rest.marks) <= set(whole.marks)


def test_what_is_done_in_turn_is_told_apart_in_every_life() -> None:
    """Also inside a document that runs once more: what was sent or answered there was for the time before."""
    inner = {"name": "inner", "steps": [step("a"), step("b", repeat={"until": "true", "max": 2})]}
    run = {"id": "run", "type": "workflow", "workflow": "inner", "for_each": [0, 1], "max_parallel": 1}
    rounds = group("sequential", run, repeat={"until": "false", "max": 3})
    asked = document(rounds, workflows={"inner": inner})
    whole = live(asked)
    assert len(set(whole.marks)) == len(whole.marks) == 18
    inside = [mark for mark in whole.marks if mark[0][-1] in "ab"]
    for moment in range(1, len(whole.entries)):
        rest = [mark for mark in live(asked, before=whole.entries[:moment]).marks if mark[0][-1] in "ab"]
        assert rest == inside[len(inside) - len(rest) :]


UNDO = {"rollback": [step("undo")]}
AGAIN: dict[str, tuple[dict[str, Any], dict[str, Any], str | None, set[str]]] = {
    "what succeeded is kept": (
        document(step("a"), step("b"), step("c")),
        {"b": FAILS},
        None,
        {"b", "c"},
    ),
    "what stood beside the failure is kept": (
        document(step("a"), step("b", depends_on=[]), step("c", depends_on=["a", "b"])),
        {"b": FAILS},
        None,
        {"b", "c"},
    ),
    "what came after the failure is done again": (
        document(
            step("a"), step("b", run_if="failed"), step("c", depends_on=["a"]), step("d", run_if="finished")
        ),
        {"a": FAILS},
        None,
        {"a", "c", "d"},
    ),
    "only those executions that failed": (
        document(step("a", for_each=[0, 1, 2]), step("b")),
        {"a": [{}, FAILS, {}]},
        None,
        {"a.1", "b"},
    ),
    "what was undone, and what came after it": (
        document(step("a", **UNDO), step("b"), step("c")),
        {"c": FAILS},
        None,
        {"a", "b", "c"},
    ),
    "from a step on": (
        document(step("a"), step("b"), step("c"), step("d", depends_on=["a"])),
        {},
        "b",
        {"b", "c"},
    ),
    "from a step inside a group on": (
        document(
            step("a"),
            {
                "id": "g",
                "type": "sequential",
                "retry": {"attempts": 2},
                "steps": [step("b"), step("c"), step("d")],
            },
            step("e"),
        ),
        {},
        "c",
        {"c", "d", "e"},
    ),
    "inside a group that failed its last round counts": (
        document(
            {"id": "g", "type": "sequential", "retry": {"attempts": 2}, "steps": [step("b"), step("c")]},
            step("d"),
        ),
        {"c": FAILS},
        None,
        {"c", "d"},
    ),
    "a group's executions that succeeded": (
        document(
            {"id": "g", "type": "sequential", "for_each": [0, 1], "steps": [step("b"), step("c")]}, step("d")
        ),
        {"c": [FAILS, {}]},
        None,
        {"c.0", "d"},
    ),
    "a failure that may be is kept": (
        document(step("a", continue_on_error=True), step("b", run_if="finished"), step("c")),
        {"a": FAILS, "c": FAILS},
        None,
        {"c"},
    ),
    "a failure that was dealt with is kept, and so is that": (
        document(step("a", on_error={"steps": [step("mend")], "recover": True}), step("b")),
        {"a": FAILS, "b": FAILS},
        None,
        {"b"},
    ),
    "a race that was won is kept with its losers": (
        document(group("parallel", step("b"), step("c"), wait_for="any"), step("d")),
        {"c": {"takes": 9}, "d": FAILS},
        None,
        {"d"},
    ),
    "the end of the run is done again": (
        document(step("a"), step("b"), on_failure=[step("page")], **{"finally": [step("tidy")]}),
        {"b": FAILS},
        None,
        {"b", "tidy"},
    ),
    "inside another document too": (
        document(
            step("a"),
            {"id": "s", "type": "workflow", "workflow": "inner"},
            step("b"),
            workflows={"inner": {"name": "Inner", "steps": [step("c"), step("d")]}},
        ),
        {"s/d": FAILS},
        None,
        {"s", "s.d", "b"},
    ),
    "a step that runs another document from which on all is done again": (
        document(
            {"id": "s", "type": "workflow", "workflow": "inner"},
            workflows={"inner": {"name": "Inner", "steps": [step("c"), step("d")]}},
        ),
        {"s/d": FAILS},
        "s",
        {"s", "s.c", "s.d"},
    ),
    "nothing after success": (document(step("a"), step("b")), {}, None, set()),
}


@pytest.mark.parametrize(("workflow", "behaviours", "start", "expected"), AGAIN.values(), ids=AGAIN)
def test_what_is_done_again(
    workflow: dict[str, Any], behaviours: dict[str, Any], start: str | None, expected: set[str]
) -> None:
    """A run that is tried again does what did not succeed and what comes after it, until it has succeeded."""
    first = live(workflow, behaviours)
    second = again(first.entries, workflow, start=start)
    assert (second.report.success, set(second.done)) == (True, expected)


@pytest.mark.parametrize("name", list(CASES))
def test_a_run_is_tried_again_to_its_success(name: str) -> None:
    """All that is done again failed, was undone or comes after such; a third try finds nothing to do."""
    rehearsal = CASES[name]
    given: dict[str, Any] = {"parameters": rehearsal.case.parameters, "targets": rehearsal.targets}
    first = live(rehearsal.workflow, rehearsal.case.leaves, **given)
    second = live(rehearsal.workflow, before=[*first.entries, OVER], attempt=2, **given)
    assert {record.status for record in second.report.steps.values()} <= FINAL
    third = live(rehearsal.workflow, before=[*second.entries, OVER], attempt=3, **given)
    if second.report.success:
        main = {one.id for _, one in walk(rehearsal.workflow.steps)}
        assert not [key for key in third.done if key.split(".")[0] in main]
        assert [third.statuses[id] for id in main] == [second.statuses[id] for id in main]


CHARGE = step("charge", idempotent=False)


def _begun(entries: list[Entry], step: str) -> list[Entry]:
    """What there is up to the beginning of a step of which there must be no second one."""
    place = next(
        place for place, entry in enumerate(entries) if entry.kind == "begun" and f".{step}" in entry.key
    )
    return entries[: place + 1]


def test_a_step_that_must_not_begin_twice_is_lost_with_its_process() -> None:
    """It is not done again, nothing is undone, and the run asks: also when it is tried again."""
    workflow = document(step("a", **UNDO), CHARGE, step("b"), on_failure=[step("page")])
    before = _begun(live(workflow).entries, "charge")
    rest = live(workflow, before=before)
    assert rest.statuses == {
        "a": "succeeded",
        "undo": "skipped",
        "charge": "lost",
        "b": "blocked",
        "page": "succeeded",
    }
    assert set(rest.done) == {"page"}
    assert rest.report.error is not None
    assert "opsconductor retry run --from charge" in rest.report.error.message
    once_more = again(rest.entries, workflow)
    assert (once_more.statuses["charge"], set(once_more.done)) == ("lost", {"page"})
    forced = again(once_more.entries, workflow, start="charge")
    assert (forced.report.success, set(forced.done)) == (True, {"charge", "b"})


def test_a_step_that_is_lost_takes_its_group_along() -> None:
    """No retry of the group begins it again, and no handler takes it for a failure."""
    mended = {"steps": [step("mend")], "recover": True}
    charged = group("sequential", step("x"), CHARGE, retry={"attempts": 3}, on_error=mended)
    workflow = document(charged, step("b", run_if="finished"))
    rest = live(workflow, before=_begun(live(workflow).entries, "charge"))
    assert (rest.statuses["charge"], rest.statuses["g"], rest.statuses["mend"]) == ("lost", "lost", "skipped")
    assert set(rest.done) == {"b"}


def test_of_a_fan_out_only_those_are_lost_that_had_begun() -> None:
    """The others are done."""
    workflow = document(step("charge", idempotent=False, for_each=[0, 1, 2], max_parallel=1))
    entries = live(workflow).entries
    before = [entry for entry in entries if not (entry.kind == "tried" and entry.key.endswith(".1"))][:4]
    rest = live(workflow, before=before)
    assert [item.status for item in rest.report.steps["charge"].items] == ["succeeded", "lost", "succeeded"]
    assert set(rest.done) == {"charge.2"}


def test_a_step_that_failed_is_no_secret() -> None:
    """How it ended is known: whoever tries the run again may well begin it again."""
    workflow = document(CHARGE)
    second = again(live(workflow, {"charge": FAILS}).entries, workflow)
    assert (second.report.success, second.done["charge"]) == (True, 1)


def test_a_run_that_was_cancelled_is_only_brought_to_its_end() -> None:
    """What was done is undone, although another process had done it; nothing else begins."""
    workflow = document(step("a", **UNDO), step("b"), step("c"), **{"finally": [step("tidy")]})
    entries = live(workflow).entries
    before = [entry for entry in entries if not entry.key.endswith((".b", ".c", ".tidy"))]
    rest = live(workflow, before=[*before, Entry("cancel", "run")])
    assert (rest.report.cancelled, set(rest.done)) == (True, {"undo", "tidy"})
    assert rest.statuses["a"] == "succeeded"
    assert rest.statuses["b"] == "cancelled"


@pytest.mark.parametrize(
    ("more", "status"),
    [({"timeout": "1h"}, "cancelled"), ({"wait_for": "any"}, "cancelled"), ({"wait_for": 2}, "failed")],
    ids=["all", "any", "two"],
)
def test_a_group_that_a_dead_process_was_at_is_cancelled_with_the_run(
    more: dict[str, Any], status: str
) -> None:
    """Not failed, whatever had failed in it: its steps were ended from outside. A race that was lost is."""
    workflow = document(group("parallel", step("a"), step("b"), **more), step("z"))
    entries = live(workflow, {"a": FAILS, "b": SLOW}).entries
    before = [entry for entry in entries if entry.key.endswith(".a")]
    rest = live(workflow, before=[*before, Entry("cancel", "run")])
    assert rest.report.cancelled
    assert (rest.statuses["a"], rest.statuses["b"]) == ("failed", "cancelled")
    assert (rest.statuses["g"], rest.done) == (status, {})
    assert rest.statuses["z"] == ("blocked" if status == "failed" else "cancelled")


def test_a_run_that_is_cancelled_before_it_goes_on_is_brought_to_its_end() -> None:
    """What the life before did is undone first."""
    workflow = document(step("a", **UNDO), step("b"))
    before = [entry for entry in live(workflow).entries if not entry.key.endswith(".b")]
    rest = live(workflow, before=before, cancelled=True)
    assert (rest.report.cancelled, set(rest.done)) == (True, {"undo"})
    assert rest.statuses["b"] == "cancelled"


def test_time_goes_on_while_nobody_runs_the_run() -> None:
    """One whose timeout passed meanwhile is undone."""
    workflow = document(step("a", **UNDO), step("b"), timeout="1h")
    entries = live(workflow).entries
    long_ago = replace(entries[0], time=entries[0].time - timedelta(hours=2))
    rest = live(workflow, before=[long_ago, entries[1]])
    assert rest.report.error is not None
    assert rest.report.error.message == "the workflow took longer than its timeout of 1h"
    assert set(rest.done) == {"undo"}
    assert rest.report.start_time == long_ago.time


def test_a_run_that_ends_early_stays_ended() -> None:
    """The step that ended it is not asked again."""
    workflow = document(step("a"), {"id": "enough", "type": "stop"}, step("b"), step("c"))
    entries = live(workflow).entries
    rest = live(workflow, before=entries)
    assert (rest.report.success, rest.statuses["c"], set(rest.done)) == (True, "skipped", set())


def test_a_fan_out_of_thousands_is_kept_quickly() -> None:
    """What is kept is looked up, not searched for."""
    workflow = document(step("a", for_each="range(2000) | list"), step("b"))
    second = again(live(workflow, {"b": FAILS}).entries, workflow)
    assert (second.report.success, set(second.done)) == (True, {"b"})


def test_what_was_done_is_undone_in_the_order_in_which_it_was_done() -> None:
    """The newest first, although another life takes all ends at once and in another order."""
    both = group(
        "parallel",
        step("slow", rollback=[step("undo_slow")]),
        step("fast", rollback=[step("undo_fast")]),
        group("sequential", step("x"), rollback=[step("undo_h")]) | {"id": "h"},
    )
    workflow = document(both, step("b"))
    behaviours = {"slow": {"takes": 9}, "x": {"takes": 5}, "b": FAILS}
    whole = live(workflow, behaviours)
    place = next(place for place, entry in enumerate(whole.entries) if entry.key.endswith(".b"))
    rest = live(workflow, behaviours, before=whole.entries[:place])
    orders = [[key for key in life.done if key.startswith("undo")] for life in (whole, rest)]
    assert orders == [["undo_slow", "undo_h", "undo_fast"]] * 2
    second = again(whole.entries[:place], workflow, behaviours)
    assert [key for key in second.done if key.startswith("undo")] == orders[0]


def test_what_was_kept_once_is_kept_again() -> None:
    """A group that ended in the first try is not run again by the third one, nor after a death."""
    inner = group("sequential", step("x"), outputs={"n": "{{ 1 }}"}) | {"id": "h"}
    mended = step("m", on_error={"steps": [step("mend")], "recover": True})
    workflow = document(group("sequential", inner, mended, step("c"), retry={"attempts": 1, "delay": 0}))
    behaviours = {"m": FAILS, "c": FAILS}
    first = live(workflow, behaviours)
    second = again(first.entries, workflow, behaviours)
    third = again(second.entries, workflow)
    assert (set(second.done), set(third.done), third.report.success) == ({"c"}, {"c"}, True)
    place = next(place for place, entry in enumerate(first.entries) if entry.key == "run.c")
    rest = live(workflow, behaviours, before=first.entries[:place])
    assert set(again(rest.entries, workflow).done) == {"c"}


TWELVE = [step(f"s{number}") for number in range(12)]
FANNED = step("copy", for_each=[0, 1])


@pytest.mark.parametrize(
    ("steps", "told"),
    [([FANNED], "copy [0]"), ([*TWELVE, FANNED], ", ".join(f"s{n}" for n in range(12)) + " and 1 more")],
)
@pytest.mark.parametrize("over", [True, False])
def test_what_is_kept_is_told_in_one_line(steps: list[dict[str, Any]], told: str, over: bool) -> None:
    """Of another try and of another life: what succeeded and is not run again, by the names of executions."""
    workflow, texts = document(*steps), list[str]()

    def listen(event: Event) -> None:
        if event.kind == "kept":
            texts.append(event.text)

    first = live(workflow, {"copy": [{}, FAILS]}, listener=listen)
    assert texts == []
    if over:
        live(workflow, before=[*first.entries, OVER], attempt=2, listener=listen)
    else:
        live(workflow, before=first.entries, listener=listen)
    assert texts == [told]


LOST_AFTER: dict[str, dict[str, Any]] = {
    "a failure": document(step("x"), step("charge", idempotent=False, run_if="failed")),
    "a group that comes after it": document(
        step("x"), group("sequential", CHARGE, run_if="failed", retry={"attempts": 2})
    ),
    "another document that comes after it": document(
        step("x"),
        {"id": "s", "type": "workflow", "workflow": "inner", "run_if": "failed"},
        workflows={"inner": {"name": "Inner", "steps": [CHARGE]}},
    ),
    "a failure that it deals with": document(step("x", on_error={"steps": [CHARGE]})),
}


@pytest.mark.parametrize("workflow", LOST_AFTER.values(), ids=LOST_AFTER)
def test_what_is_lost_stays_lost_whatever_it_comes_after(workflow: dict[str, Any]) -> None:
    """Also when that is run again, but for a step that it deals with: that is lost with it."""
    before = _begun(live(workflow, {"x": FAILS}).entries, "charge")
    second = again(before, workflow, {"x": FAILS})
    is_handler = "on_error" in workflow["steps"][0]
    assert (second.done["x"], second.done["charge"], second.done["s.charge"]) == (not is_handler, 0, 0)
    assert second.report.error is not None
    third = again(second.entries, workflow, {"x": FAILS}, start="x")
    assert third.done["charge"] == is_handler


def test_a_step_that_is_lost_takes_the_document_along_that_has_it() -> None:
    """No retry of the step that runs the document begins it again, nothing is undone, and it asks."""
    runs = {"id": "s", "type": "workflow", "workflow": "inner", "retry": {"attempts": 3, "delay": 0}}
    inner = {"name": "Inner", "steps": [CHARGE]}
    workflow = document(step("a", **UNDO), runs, workflows={"inner": inner})
    rest = live(workflow, before=_begun(live(workflow).entries, "s.charge"))
    assert (rest.statuses["s"], rest.statuses["undo"]) == ("lost", "skipped")
    assert set(rest.done) <= {"s"}
    assert rest.report.error is not None
    assert "opsconductor retry run --from s`" in rest.report.error.message
    forced = again(rest.entries, workflow, start="s")
    assert (forced.report.success, forced.done["s.charge"]) == (True, 1)


def test_one_that_is_lost_counts_more_than_one_that_failed() -> None:
    """The group around it doesn't begin it again."""
    workflow = document(
        group(
            "sequential", step("charge", idempotent=False, for_each=[0, 1]), retry={"attempts": 3, "delay": 0}
        )
    )
    before = _begun(live(workflow).entries, "charge")
    behaviours = {"charge": [{}, FAILS]} if before[-1].key.endswith(".0") else {"charge": [FAILS, {}]}
    rest = live(workflow, behaviours, before=before)
    assert rest.statuses["charge"] == "lost"
    assert max(rest.done.values()) == 1


@pytest.mark.parametrize("start", ["g", "h"])
def test_all_of_a_group_is_done_again_from_it_on(start: str) -> None:
    """Whatever kind of group it is."""
    inner = group("sequential", step("b"), step("c")) | {"id": "h"}
    workflow = document(
        step("a"), group("condition") | {"when": "true", "then": [inner], "steps": None}, step("d")
    )
    del workflow["steps"][1]["steps"]
    second = again(live(workflow).entries, workflow, start=start)
    assert (second.report.success, set(second.done)) == (True, {"b", "c", "d"})


INNER = {"name": "Inner", "steps": [step("c", **UNDO), step("d")], "finally": [step("tidy")]}


def test_what_another_document_did_is_undone_after_a_death_too() -> None:
    """The run was cancelled, or its time was up: that document is brought to its end, nothing new begins."""
    runs = {"id": "s", "type": "workflow", "workflow": "inner", "retry": {"attempts": 3, "delay": 0}}
    workflow = document(runs, step("b"), workflows={"inner": INNER}, timeout="1h")
    entries = live(workflow).entries
    place = next(place for place, entry in enumerate(entries) if entry.key == "run.s.c")
    before = entries[: place + 1]
    rest = live(workflow, before=[*before, Entry("cancel", "run")])
    assert (rest.report.cancelled, rest.statuses["s"]) == (True, "cancelled")
    assert {key: rest.done[key] for key in ("s.undo", "s.tidy", "s.d", "b")} == {
        "s.undo": 1,
        "s.tidy": 1,
        "s.d": 0,
        "b": 0,
    }
    late = [replace(before[0], time=before[0].time - timedelta(hours=2)), *before[1:]]
    rest = live(workflow, before=late)
    assert (rest.done["s.undo"], rest.done["s.tidy"], rest.done["s.d"]) == (1, 1, 0)


def test_a_cancellation_holds_for_the_try_that_it_ended() -> None:
    """A document that took too long is run again by the retry of its step, also after a death."""
    runs = {"id": "s", "type": "workflow", "workflow": "inner", "timeout": 5, "retry": {"attempts": 2}}
    workflow = document(runs, workflows={"inner": {"name": "Inner", "steps": [step("c"), step("d")]}})
    whole = live(workflow, {"s/d": {"takes": 9}})
    place = [place for place, entry in enumerate(whole.entries) if entry.key == "run.s.c"][1]
    before = whole.entries[: place + 1]
    assert any(entry.kind == "cancel" and entry.key == "run.s" for entry in before)
    rest = live(workflow, before=before)
    assert (rest.report.success, rest.done["s.c"], rest.done["s.d"]) == (True, 0, 1)


def test_what_a_run_did_before_is_not_known_for_ever_after() -> None:
    """No later try begins a step of which there must be no second start."""
    workflow = document(CHARGE)
    first = live(workflow, forgotten=True)
    second = again(first.entries, workflow)
    for life in (first, second):
        assert (life.report.success, life.done["charge"]) == (False, 0)
        assert life.report.error is not None
        assert "not started: the run has begun before" in life.report.error.message


@pytest.mark.parametrize(
    "more",
    [{"retry": {"attempts": 3, "delay": "1h"}}, {"repeat": {"until": "false", "max": 3, "delay": "1h"}}],
    ids=["retry", "repeat"],
)
@pytest.mark.parametrize("cancelled", [False, True])
def test_what_was_waited_for_is_not_waited_for_again(more: dict[str, Any], cancelled: bool) -> None:
    """The rounds of an earlier life follow each other at once: a run that was cancelled is undone at once."""
    last = step("c", on_error={"steps": [step("d")]}) if "retry" in more else step("c")
    workflow = document(group("sequential", step("b", for_each=[1], **UNDO), last, **more))
    behaviours = {"c": FAILS} if "retry" in more else {}
    entries = live(workflow, behaviours).entries
    place = [place for place, entry in enumerate(entries) if entry.key == "run.b.0"][1]
    waits = list[str]()
    rest = live(
        workflow,
        behaviours,
        before=entries[: place + 1],
        cancelled=cancelled,
        listener=lambda event: waits.append(event.text) if event.kind == "retrying" else None,
    )
    assert (rest.report.cancelled, rest.done["b.0"], rest.done["undo.0"]) == (cancelled, not cancelled, 1)
    assert len(waits) == (0 if cancelled else 1)


@pytest.mark.parametrize("dies", [True, False])
def test_a_document_that_is_run_once_more_takes_what_it_did_then(dies: bool) -> None:
    """Not what it did in an earlier round, be it after a death or in another try."""
    runs = {"id": "s", "type": "workflow", "workflow": "inner"}
    inner = {"name": "Inner", "steps": [step("c"), step("d")], "outputs": {"n": "{{ steps.c.result }}"}}
    rounds = group("sequential", runs, repeat={"until": "steps.s.outputs.n == 2", "max": 2, "delay": 0})
    workflow = document(rounds, workflows={"inner": inner}, outputs={"n": "{{ steps.s.outputs.n }}"})
    entries = live(workflow, {"s/c": {"results": [1, 2]}}).entries
    place = [place for place, entry in enumerate(entries) if entry.key == "run.s.c"][1]
    before = entries[: place + 1]
    rest = live(workflow, before=before) if dies else again(before, workflow)
    assert (rest.report.outputs, rest.done["s.c"], rest.done["s.d"]) == ({"n": 2}, 0, 1)


def test_an_undo_that_was_cut_short_is_done_again() -> None:
    """Also by another life."""
    workflow = document(step("a", **UNDO), step("b"))
    entries = live(workflow, {"b": FAILS}).entries
    place = next(place for place, entry in enumerate(entries) if entry.key == "run.undo")
    cut = replace(entries[place], record=StepRecord(status="cancelled"))
    rest = live(workflow, before=[*entries[:place], cut])
    assert (rest.done["undo"], rest.statuses["undo"], rest.report.not_undone) == (1, "succeeded", ())
    once_more = live(workflow, before=rest.entries)
    assert (once_more.done["undo"], once_more.statuses["undo"]) == (0, "succeeded")


SLOW = {"takes": "1h"}
UNDO_LATE = {"recover": True, "when": "'timed out' in error.message", "steps": [step("help")]}
ENDED_FROM_OUTSIDE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a group that timed out": (document(group("sequential", step("a"), timeout="1s")), {"a": SLOW}),
    "one in which a step had failed before": (
        document(group("parallel", step("b"), step("a"), step("c", run_if="failed"), timeout="1s")),
        {"a": SLOW, "b": FAILS},
    ),
    "tried again": (
        document(group("sequential", step("a"), step("b"), timeout="1s", retry={"attempts": 2})),
        {"b": [SLOW, FAILS]},
    ),
    "run again, and out of time then": (
        document(group("sequential", step("a"), timeout="1s", repeat={"max": 2, "until": "false"})),
        {"a": [{}, SLOW]},
    ),
    "in which something came after what was ended": (
        document(
            group(
                "parallel",
                step("a"),
                step("b"),
                step("c", depends_on=["b"]),
                step("d", depends_on=["a"], run_if="finished"),
                timeout="1s",
            )
        ),
        {"a": SLOW},
    ),
    "whose handlers ask why": (
        document(group("parallel", step("a"), step("b"), timeout="1s", on_error=UNDO_LATE), step("z")),
        {"a": SLOW, "b": FAILS, "help": {"takes": "1m"}},
    ),
    "whose handlers are ended, too": (
        document(
            {
                "id": "o",
                "type": "sequential",
                "timeout": "10s",
                "steps": [group("sequential", step("a"), timeout="1s", on_error=UNDO_LATE)],
            },
            step("z"),
        ),
        {"a": SLOW, "help": {"takes": "1m"}},
    ),
    "around one with handlers": (
        document(
            {
                "id": "o",
                "type": "sequential",
                "timeout": "1s",
                "steps": [
                    group("sequential", step("a"), on_error={"recover": True, "steps": [step("help")]}),
                    step("b"),
                ],
            },
            step("z"),
        ),
        {"a": SLOW},
    ),
    "once per item": (
        document(group("sequential", step("a"), step("b"), for_each=[1, 2], timeout="1s"), step("z")),
        {"a": [SLOW, {}], "b": SLOW},
    ),
    "a race": (
        document(group("parallel", step("a"), step("b"), wait_for=2, timeout="1s"), step("z")),
        {"a": SLOW},
    ),
    "a group that lost a race": (
        document(
            {
                "id": "o",
                "type": "parallel",
                "wait_for": "any",
                "steps": [group("sequential", step("a"), outputs={"x": "1"}), step("b")],
            }
        ),
        {"a": SLOW, "b": {"takes": "1s"}},
    ),
}


@pytest.mark.parametrize("name", ENDED_FROM_OUTSIDE)
def test_what_ended_steps_from_outside_is_known_in_another_life(name: str) -> None:
    """Whenever the process dies after that, the records and their errors are those of the first life."""
    workflow, behaviours = ENDED_FROM_OUTSIDE[name]
    whole = live(workflow, behaviours)
    for moment in range(1, len(whole.entries) + 1):
        rest = live(workflow, behaviours, before=whole.entries[:moment])
        assert rest.statuses == whole.statuses
        assert rest.report.error == whole.report.error
        errors = {id: record.error for id, record in whole.report.steps.items()}
        assert {id: record.error for id, record in rest.report.steps.items()} == errors


def test_a_workflow_whose_time_was_up_in_another_life_is_told_of_like_that() -> None:
    """What had not started was cancelled, not blocked."""
    workflow = document(step("a", **UNDO), group("sequential", step("b"), step("c"), retry={"attempts": 2}))
    workflow |= {"timeout": "1h"}
    whole = live(workflow, {"b": {"takes": "2h"}})
    hours = timedelta(hours=2)
    before = [replace(entry, time=entry.time - hours) for entry in whole.entries if entry.kind != "over"]
    rest = live(workflow, {"b": {"takes": "2h"}}, before=before)
    assert rest.statuses == whole.statuses
    assert rest.report.error == whole.report.error
