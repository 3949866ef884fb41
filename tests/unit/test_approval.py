"""Approvals, without Prefect: what is asked, how often, and what the answers do."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from codegen.document import parse
from codegen.durations import format_duration
from codegen.result import Report
from rehearsal.lives import Kept
from steps.approval import PATIENCE, asked_instead, asking
from steps.approved_run import run_of
from steps.block import Block
from steps.driver import Driver
from steps.frame import Frame
from steps.halt import Halt
from steps.interpreter import interpret, plan
from steps.journal import Journal
from steps.questions import Answer, Question
from steps.scope import Ask, Outcome, Scope, Surroundings
from steps.workflow_run import Plan, WorkflowRun


class Person:
    """Answers everything in the same way, and remembers what was asked."""

    def __init__(self, approved: bool | None = True) -> None:
        self.approved = approved
        self.questions: list[Question] = []
        self.asked = asyncio.Event()

    async def __call__(self, question: Question, scope: Scope) -> Answer | None:
        assert scope.surroundings.name
        self.questions.append(question)
        self.asked.set()
        await asyncio.sleep(0)
        return None if self.approved is None else Answer(self.approved, "ann", "now", "so be it")


class Nobody(Person):
    """Doesn't answer while anybody waits."""

    async def __call__(self, question: Question, scope: Scope) -> Answer | None:
        self.asked.set()
        return await asyncio.Future()


def document(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "Release", "steps": list(steps), **more}


def ask(**more: Any) -> dict[str, Any]:
    return {"id": "ask", "type": "approval", "message": "Release {{ 1 + 2 }}?", **more}


async def interpreted(given: dict[str, Any], person: Ask) -> Report:
    with asked_instead(person):
        return await interpret(parse(given), run_id="r").run()


def around(ask: Ask | None = None) -> Surroundings:
    return Surroundings(run_id="r", name="Release", ask=ask)


def asking_plan(given: dict[str, Any], person: Ask) -> tuple[Plan, Surroundings]:
    """The plan of a document each of whose steps requires approval."""
    made = plan(parse(given))
    surroundings = replace(around(person), targets=("a.localhost", "b.localhost"))
    return replace(made, steps=tuple(asking(work) for work in made.steps)), surroundings


async def test_the_message_is_rendered() -> None:
    """The question has it, with who may answer and for how long it is open."""
    person = Person()
    report = await interpreted(document(ask(approvers=["ann"], timeout="1h")), person)
    assert report.steps["ask"].result == {"approved": True, "by": "ann", "at": "now", "comment": "so be it"}
    assert person.questions == [Question("r.ask.0.0", "ask", "Release 3?", ("ann",), 3600.0)]


@pytest.mark.parametrize(
    ("approved", "options", "error"),
    [
        (True, {}, None),
        (False, {}, "denied by ann: so be it"),
        (None, {"timeout": "1h"}, "nobody answered within 1h"),
        (None, {}, f"nobody answered within {format_duration(PATIENCE)}"),
        (None, {"timeout": "1h", "on_timeout": "approve"}, None),
        (False, {"on_timeout": "approve"}, "denied by ann: so be it"),
    ],
)
async def test_what_an_answer_does(approved: bool | None, options: dict[str, Any], error: str | None) -> None:
    """A yes is a success, all else a failure, except where the document says so of no answer."""
    report = await interpreted(document(ask(**options)), Person(approved))
    record = report.steps["ask"]
    assert (record.error.message if record.error else None) == error
    assert record.result["approved"] is (error is None)


async def test_where_nobody_can_be_asked_the_step_fails() -> None:
    """It says why."""
    report = await interpret(parse(document(ask())), run_id="r").run()
    assert report.error is not None
    assert "approvals need Prefect" in report.error.message


async def test_a_step_asks_once_however_often_it_runs() -> None:
    """For all its targets and all its rounds; the answer holds for all."""
    step = {"id": "a", "type": "set", "values": {"x": 1}, "on": "targets", "max_parallel": 1}
    step["repeat"] = {"until": "false", "max": 2}
    for approved, status in ((True, "not yet true"), (False, "denied by ann: so be it")):
        person = Person(approved)
        made, surroundings = asking_plan(document(step, targets=["a.localhost", "b.localhost"]), person)
        report = await WorkflowRun(made, surroundings).run()
        assert len(person.questions) == 1
        assert all(item.error and status in item.error.message for item in report.steps["a"].items)
    assert person.questions[0].message == "May step 'a' of 'Release' start?"


async def test_another_try_asks_the_same_question() -> None:
    """Although the execution that asked succeeded, and is not run again: an answer of before is found."""
    step = {"id": "a", "type": "validation", "that": "item == 0", "for_each": [0, 1], "max_parallel": 1}
    person, kept = Person(), Kept()
    for attempt in (1, 2):
        made, surroundings = asking_plan(document(step), person)
        journal = Journal("r", kept, list(kept.entries), attempt=attempt)
        await WorkflowRun(made, replace(surroundings, journal=journal)).run()
    assert [question.key for question in person.questions] == ["r.a.0.0.start", "r.a.0.0.start"]


@pytest.mark.parametrize("kind", ["a step", "a group"])
async def test_each_round_asks_a_question_of_its_own(kind: str) -> None:
    """Whichever execution asks in it, in every life: the yes of one round is none for the next."""
    one = {"id": "one", "type": "set", "values": {"x": "{{ item }}"}}
    step: dict[str, Any] = one if kind == "a step" else {"id": "all", "type": "sequential", "steps": [one]}
    # In each round another execution is the first that is not skipped.
    step |= {"for_each": [0, 1, 2], "max_parallel": 1, "when": "steps.count.outputs.n + item > 2"}
    count = {"id": "count", "type": "set", "values": {"n": 1}}
    rounds: dict[str, Any] = {"id": "rounds", "type": "sequential", "steps": [count, step]}
    rounds["repeat"] = {"until": "steps.count.outputs.n == 3", "max": 3, "delay": 0}
    expected = [f"r.{step['id']}.0.{number}.start" for number in range(3)]
    whole = Kept()
    assert await _keys_asked_for(document(rounds), whole) == expected
    for ended in range(1, len(whole.entries)):
        keys = await _keys_asked_for(document(rounds), Kept(whole.entries[:ended]))
        assert keys == expected[len(expected) - len(keys) :]


async def _keys_asked_for(given: dict[str, Any], kept: Kept) -> list[str]:
    """A life of a run of counted rounds, the last step of each of which requires approval."""

    async def count(scope: Scope) -> Outcome:
        before = [entry for entry in kept.entries if entry.kind == "tried" and entry.key == scope.key]
        return Outcome(outputs={"n": len(before) + 1})

    person = Person()
    made = plan(parse(given))
    (rounds,) = made.steps
    assert isinstance(rounds.inner, Block)
    counting, *others = rounds.inner.works
    works = (replace(counting, perform=count), *map(asking, others))
    made = replace(made, steps=(replace(rounds, inner=replace(rounds.inner, works=works)),))
    journal = Journal("r", kept, list(kept.entries))
    report = await WorkflowRun(made, replace(around(person), journal=journal)).run()
    assert report.success
    return [question.key for question in person.questions]


async def test_a_group_asks_before_its_first_step() -> None:
    """And, tried again by itself, only once."""
    inner = {"id": "a", "type": "fail", "message": "no"}
    group = {"id": "g", "type": "sequential", "retry": {"attempts": 3, "delay": 0}, "steps": [inner]}
    person = Person()
    made, surroundings = asking_plan(document(group), person)
    report = await WorkflowRun(made, surroundings).run()
    assert report.steps["g"].attempts == 3
    assert [question.about for question in person.questions] == ["g"]


WHOLE = document({"id": "a", "type": "set", "values": {"x": 1}}, **{"finally": [{"id": "z", "type": "stop"}]})


async def test_nobody_is_asked_in_what_an_earlier_life_had_ended() -> None:
    """The steps are cancelled, as they were then; an answer would come too late."""
    person = Person()
    group: dict[str, Any] = {"id": "all", "type": "sequential", "retry": {"attempts": 2}}
    group["steps"] = [{"id": "go", "type": "set", "values": {"a": 1}}]
    made, surroundings = asking_plan(document(group), person)
    ending = await Driver(made.steps, Frame(replace(surroundings, halt=Halt(closed=True)))).run()
    assert (ending, person.questions) == ("cancelled", [])


@pytest.mark.parametrize(
    ("approved", "statuses"),
    [(True, ["succeeded", "succeeded"]), (False, ["blocked", "skipped"]), (None, ["blocked", "skipped"])],
)
async def test_a_document_begins_after_a_yes(approved: bool | None, statuses: list[str]) -> None:
    """Otherwise nothing of it starts, its always-steps included."""
    run = run_of(plan(parse(WHOLE)), around(Person(approved)), requires_approval=True)
    report = await run.run()
    assert report.success is bool(approved)
    assert [record.status for record in report.steps.values()] == statuses


@pytest.mark.parametrize("when", ["before", "while it waits"])
async def test_a_document_that_waits_can_be_cancelled(when: str) -> None:
    """Nothing of it starts."""
    person = Nobody()
    run = run_of(plan(parse(WHOLE)), around(person), requires_approval=True)
    if when == "before":
        run.cancel()
    work = asyncio.create_task(run.run())
    if when != "before":
        await person.asked.wait()
        run.cancel()
    report = await work
    assert report.cancelled
    assert {record.status for record in report.steps.values()} == {"cancelled"}


async def test_a_run_whose_task_is_cancelled_asks_no_more() -> None:
    """The cancellation goes on."""
    person = Nobody()
    work = asyncio.create_task(run_of(plan(parse(WHOLE)), around(person), requires_approval=True).run())
    await person.asked.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
