"""What a failed or cancelled run undoes, in which order, and what it says of what could not be undone."""

import asyncio

import pytest

from codegen.result import Report
from steps.events import Event
from tests.unit.actor import (
    Actor,
    Spec,
    items,
    parallel,
    sequential,
    statuses,
    step,
    unfinished,
    workflow,
)


def undoable(id: str, **more: object) -> Spec:
    """A step with its undo."""
    return step(id, rollback=[step(f"undo_{id}")], **more)


def undone(actor: Actor) -> list[str]:
    """What was undone, in order."""
    return [one.removeprefix("undo_") for one in actor.did if one.startswith("undo_")]


def not_undone(report: Report) -> list[tuple[str, str]]:
    """The steps that could not be undone, and why."""
    return [(one.step, one.message) for one in report.not_undone]


async def test_a_success_is_not_undone() -> None:
    """The undos are skipped."""
    actor = Actor()
    done = await actor.run(undoable("a"), finally_=[step("c")])
    assert (done.success, undone(actor)) == (True, [])
    assert statuses(done) == {"a": "succeeded", "undo_a": "skipped", "c": "succeeded"}


async def test_a_failure_undoes_what_succeeded_newest_first() -> None:
    """Before the handlers of the run's failure; never the step that failed, nor those that did not run."""
    actor = Actor(fails={"c": 1})
    done = await actor.run(
        undoable("a"),
        undoable("b"),
        undoable("c"),
        undoable("d"),
        on_failure=[step("e")],
        finally_=[step("f")],
    )
    assert actor.did == ["a", "b", "c", "undo_b", "undo_a", "e", "f"]
    assert (done.steps["undo_c"].status, done.steps["undo_d"].status) == ("skipped", "skipped")
    assert done.not_undone == ()


async def test_newest_is_what_ended_last() -> None:
    """Not what is written last."""
    actor = Actor(fails={"c": 1})
    slow = sequential("s", step("x"), step("y"), undoable("a"))
    await actor.run(parallel("p", slow, undoable("b")), step("c"))
    assert undone(actor) == ["a", "b"]


async def test_an_undo_that_fails_holds_up_no_other() -> None:
    """It is named."""
    actor = Actor(fails={"c": 1, "undo_b": 1})
    done = await actor.run(undoable("a"), undoable("b"), step("c"))
    assert undone(actor) == ["b", "a"]
    assert not_undone(done) == [("b", "undo_b broke after c broke")]
    assert (done.steps["undo_b"].status, done.steps["undo_a"].status) == ("failed", "succeeded")
    assert done.error is not None
    assert done.error.step == "c"


async def test_its_later_steps_are_blocked() -> None:
    """An undo is a list of steps like others."""
    actor = Actor(fails={"c": 1, "undo_a": 1})
    more = step("a", rollback=[step("undo_a"), step("then")])
    done = await actor.run(more, step("c"))
    assert (done.steps["undo_a"].status, done.steps["then"].status) == ("failed", "blocked")


async def test_an_undo_sees_what_was_done() -> None:
    """The records, and the error that it is undone for."""
    look = step("undo_a", outputs={"seen": "{{ steps.a.result }} {{ error.message }}"})
    done = await Actor(fails={"c": 1}, results={"a": 7}).run(step("a", rollback=[look]), step("c"))
    assert done.steps["undo_a"].outputs == {"seen": "7 c broke"}


async def test_each_execution_is_undone_by_itself() -> None:
    """Only those that succeeded; each undo sees its item, and its record is an item."""
    look = step("undo_a", outputs={"seen": "{{ item }} {{ index }}"})
    actor = Actor(fails={"a.1": 1})
    done = await actor.run(step("a", rollback=[look], for_each=["x", "y", "z"], max_parallel=1))
    assert actor.did == ["a.0", "a.1", "a.2", "undo_a.2", "undo_a.0"]
    assert items(done.steps["undo_a"]) == ["succeeded", "skipped", "succeeded"]
    assert [item.outputs.get("seen") for item in done.steps["undo_a"].items] == ["x 0", None, "z 2"]


async def test_inside_executions_of_a_group() -> None:
    """Each sees the steps of its own execution."""
    look = step("undo_b", outputs={"seen": "{{ steps.a.result }} {{ item }}"})
    group = sequential("g", step("a"), step("b", rollback=[look]), for_each=["x", "y"])
    actor = Actor(fails={"c": 1}, results={"a.0": "p", "a.1": "q"})
    done = await actor.run(group, step("c"))
    assert [item.outputs["seen"] for item in done.steps["undo_b"].items] == ["p x", "q y"]


async def test_a_group_is_undone_before_its_steps() -> None:
    """It ended after them."""
    group = sequential("g", undoable("a"), undoable("b"), rollback=[step("undo_g")])
    actor = Actor(fails={"c": 1})
    await actor.run(group, step("c"))
    assert undone(actor) == ["g", "b", "a"]


@pytest.mark.parametrize(
    "more", [{"retry": {"attempts": 2, "delay": 0}}, {"repeat": {"until": "steps.b.result == 1", "max": 2}}]
)
async def test_what_ran_again_is_undone_once(more: Spec) -> None:
    """As newly done: after what came between."""
    actor = Actor(fails={"c": 1, "b": 1 if "retry" in more else 0}, results={"b": [0, 1]})
    done = await actor.run(sequential("g", undoable("a"), step("b"), **more), step("c"))
    assert actor.did == ["a", "b", "a", "b", "c", "undo_a"]
    assert not done.success


async def test_what_was_recovered_is_not_undone() -> None:
    """It has not been done."""
    actor = Actor(fails={"a": 1, "c": 1})
    await actor.run(undoable("a", on_error={"steps": [step("h")], "recover": True}), step("c"))
    assert undone(actor) == []


async def test_a_tolerated_failure_undoes_nothing() -> None:
    """The run is a success."""
    actor = Actor(fails={"b": 1})
    done = await actor.run(undoable("a"), step("b", continue_on_error=True))
    assert (done.success, undone(actor)) == (True, [])


async def test_a_failure_of_the_always_steps_undoes_nothing() -> None:
    """The main steps did what they should."""
    actor = Actor(fails={"b": 1})
    done = await actor.run(undoable("a"), finally_=[step("b")])
    assert (done.success, undone(actor)) == (False, [])


async def test_losers_of_a_race_are_undone_as_far_as_they_got() -> None:
    """The steps of theirs that had succeeded."""
    actor = Actor(hangs={"x"}, fails={"c": 1})
    slow = sequential("slow", undoable("a"), step("x"))
    fast = sequential("fast", step("s"), step("t"), undoable("b"))
    await actor.run(parallel("g", slow, fast, wait_for="any"), step("c"))
    assert undone(actor) == ["b", "a"]


class TestTimeout:
    """A limit for the main steps as a whole."""

    async def test_the_run_has_failed(self) -> None:
        """What runs is cancelled, what was done undone, and the handlers and always-steps run."""
        actor = Actor(hangs={"b"})
        done = await actor.run(
            undoable("a"),
            step("b"),
            step("c"),
            timeout="20ms",
            on_failure=[step("d", outputs={"why": "{{ error.message }}"})],
            finally_=[step("e")],
        )
        assert actor.did == ["a", "b", "undo_a", "d", "e"]
        assert (done.success, done.cancelled) == (False, False)
        assert done.steps["d"].outputs == {"why": "the workflow took longer than its timeout of 20ms"}
        assert done.error is not None
        assert done.error.message == "the workflow took longer than its timeout of 20ms"
        assert (done.steps["b"].status, done.steps["c"].status) == ("cancelled", "cancelled")

    async def test_in_time(self) -> None:
        """Nothing happens; what comes after the main steps has no limit."""
        done = await Actor().run(step("a"), timeout="1h", finally_=[step("b")])
        assert done.success


class TestCancel:
    """A run that somebody ends."""

    async def test_is_undone(self) -> None:
        """Without an error, and without the handlers of failures."""
        actor = Actor(hangs={"b"})
        look = step("undo_a", when="error is none")
        document = workflow(
            step("a", rollback=[look]), step("b"), on_failure=[step("c")], finally_=[step("d")]
        )
        run = actor.playing(document)
        task = asyncio.create_task(run.run())
        await actor.reached("b")
        run.cancel()
        done = await task
        assert actor.did == ["a", "b", "undo_a", "d"]
        assert (done.cancelled, unfinished(done)) == (True, [])

    async def test_while_it_is_being_undone(self) -> None:
        """All is undone all the same; the handlers don't start any more."""
        actor = Actor(fails={"c": 1})
        document = workflow(
            undoable("a"), undoable("b"), step("c"), on_failure=[step("d")], finally_=[step("e")]
        )

        def listen(event: Event) -> None:
            if event.step == "undo_b":
                run.cancel()

        run = actor.playing(document, listener=listen)
        done = await run.run()
        assert actor.did == ["a", "b", "c", "undo_b", "undo_a", "e"]
        assert (done.cancelled, unfinished(done)) == (True, [])

    async def test_of_the_task_while_it_is_being_undone(self) -> None:
        """What had been undone is not undone again; what was cut short is."""
        actor = Actor(fails={"d": 1}, hangs={"undo_b"})
        run = actor.playing(
            workflow(undoable("a"), undoable("b"), undoable("c"), step("d"), finally_=[step("e")])
        )
        task = asyncio.create_task(run.run())
        await actor.reached("undo_b")
        actor.hangs.clear()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert actor.did == ["a", "b", "c", "d", "undo_c", "undo_b", "undo_b", "undo_a", "e"]

    async def test_of_the_task_while_the_handlers_run(self) -> None:
        """Nothing is undone twice."""
        actor = Actor(fails={"b": 1}, hangs={"c"})
        run = actor.playing(workflow(undoable("a"), step("b"), on_failure=[step("c")], finally_=[step("d")]))
        task = asyncio.create_task(run.run())
        await actor.reached("c")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert actor.did == ["a", "b", "undo_a", "c", "d"]
