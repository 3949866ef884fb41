"""What a step's own failure handlers do, and what they make of its failure."""

import asyncio
from typing import Any

import pytest

from tests.unit.actor import (
    Actor,
    Spec,
    items,
    message,
    sequential,
    statuses,
    step,
    unfinished,
    workflow,
)


def handled(id: str, *handlers: Spec, recover: bool = False, when: str | None = None, **more: Any) -> Spec:
    """A step with failure handlers."""
    what = {"steps": list(handlers) or [step("h")], "recover": recover} | ({"when": when} if when else {})
    return step(id, on_error=what, **more)


async def test_a_success_needs_no_handlers() -> None:
    """They are skipped."""
    done = await Actor().run(handled("a"), step("b"))
    assert statuses(done) == {"a": "succeeded", "h": "skipped", "b": "succeeded"}


async def test_they_see_the_error_and_the_record() -> None:
    """Of the step that failed; afterwards it is still failed."""
    look = step("h", outputs={"seen": "{{ error.message }} {{ steps.a.status }} {{ steps.a.attempts }}"})
    retry = {"attempts": 2, "delay": 0}
    done = await Actor(fails={"a": 5}).run(handled("a", look, retry=retry), step("b"))
    assert statuses(done) == {"a": "failed", "h": "succeeded", "b": "blocked"}
    assert done.steps["h"].outputs == {"seen": "a broke failed 2"}
    assert (done.steps["a"].attempts, message(done.steps["a"])) == (2, "a broke")
    assert not done.success


async def test_recover() -> None:
    """The step counts as succeeded, and still says what was wrong with it."""
    done = await Actor(fails={"a": 1}).run(handled("a", recover=True), step("b"), on_failure=[step("c")])
    assert statuses(done) == {"a": "succeeded", "h": "succeeded", "b": "succeeded", "c": "skipped"}
    assert (done.success, message(done.steps["a"])) == (True, "a broke")


@pytest.mark.parametrize("recover", [False, True])
async def test_handlers_that_fail_recover_nothing(recover: bool) -> None:
    """The step says both; the run's error is its own."""
    actor = Actor(fails={"a": 1, "h": 1})
    done = await actor.run(handled("a", step("h"), step("i"), recover=recover))
    assert statuses(done) == {"a": "failed", "h": "failed", "i": "blocked"}
    assert message(done.steps["a"]) == "a broke; its on_error failed, too: h broke after a broke"
    assert done.error is not None
    assert done.error.step == "a"


@pytest.mark.parametrize(("when", "handles"), [("'broke' in error.message", True), ("false", False)])
async def test_when(when: str, handles: bool) -> None:
    """Handlers for some failures only; the others are as if there were none."""
    done = await Actor(fails={"a": 1}).run(handled("a", when=when, recover=True))
    assert statuses(done) == {
        "a": "succeeded" if handles else "failed",
        "h": "succeeded" if handles else "skipped",
    }


async def test_a_when_that_breaks_hides_no_failure() -> None:
    """What went wrong first is what people look for."""
    done = await Actor(fails={"a": 1}).run(handled("a", when="nothing", recover=True))
    assert statuses(done) == {"a": "failed", "h": "skipped"}
    assert message(done.steps["a"]).startswith("a broke; its on_error failed, too: ")


async def test_each_execution_has_its_own() -> None:
    """They see its item; the others need none."""
    look = step("h", outputs={"seen": "{{ item }} {{ index }} {{ error.message }}"})
    actor = Actor(fails={"a.1": 1})
    done = await actor.run(handled("a", look, recover=True, for_each=["x", "y"]))
    assert items(done.steps["h"]) == ["skipped", "succeeded"]
    assert done.steps["h"].items[1].outputs == {"seen": "y 1 a.1 broke"}
    assert items(done.steps["a"]) == ["succeeded", "succeeded"]


async def test_of_a_group_for_all_its_steps() -> None:
    """The cause is that of the step inside."""
    group = sequential("g", step("a"), step("b"), on_error={"steps": [step("h")], "recover": True})
    done = await Actor(fails={"a": 1}).run(group, step("c"))
    assert statuses(done) == {
        "g": "succeeded",
        "a": "failed",
        "b": "blocked",
        "h": "succeeded",
        "c": "succeeded",
    }
    assert message(done.steps["g"]) == "a broke"


async def test_handlers_have_handlers() -> None:
    """And recover."""
    inner = handled("h", step("i"), recover=True)
    done = await Actor(fails={"a": 1, "h": 1}).run(handled("a", inner, recover=True))
    assert statuses(done) == {"a": "succeeded", "h": "succeeded", "i": "succeeded"}


async def test_after_a_time_limit() -> None:
    """Which is a failure like others."""
    group = sequential("g", step("a"), timeout="10ms", on_error={"steps": [step("h")], "recover": True})
    done = await Actor(hangs={"a"}).run(group)
    assert statuses(done) == {"g": "succeeded", "a": "cancelled", "h": "succeeded"}
    assert done.success


async def test_inside_executions_of_a_group() -> None:
    """Its items are those of the group."""
    actor = Actor(fails={"a.0": 1})
    done = await actor.run(sequential("g", handled("a", recover=True), for_each=[1, 2]))
    assert items(done.steps["h"]) == ["succeeded", "skipped"]
    assert done.success


async def test_a_cancel_ends_them() -> None:
    """All records are final, nothing that comes later starts, and what was wrong is still said."""
    actor = Actor(fails={"a": 1}, hangs={"h"})
    run = actor.playing(workflow(handled("a", step("h"), step("i")), step("b"), finally_=[step("c")]))
    task = asyncio.create_task(run.run())
    await actor.reached("h")
    run.cancel()
    done = await task
    assert statuses(done) == {
        "a": "failed",
        "h": "cancelled",
        "i": "cancelled",
        "b": "cancelled",
        "c": "succeeded",
    }
    assert message(done.steps["a"]) == "a broke; its on_error was cancelled"
    assert done.steps["a"].attempts == 1
    assert done.cancelled
    assert (done.cancelled, unfinished(done)) == (True, [])


async def test_a_stop_among_the_handlers_ends_the_run() -> None:
    """As anywhere else: what has not started is skipped, and the recovered step has succeeded."""
    done = await Actor(fails={"a": 1}).run(handled("a", {"id": "h", "type": "stop"}, recover=True), step("b"))
    assert statuses(done) == {"a": "succeeded", "h": "succeeded", "b": "skipped"}
    assert done.success
