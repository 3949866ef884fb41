"""One run from its first step to its report: handlers, always-steps, the error, outputs, cancelling."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from codegen.result import Report, StepError
from codegen.workflow import Workflow
from steps.acting import Behaviour
from steps.clock import Clock, Timer, keeping
from steps.events import Event
from steps.interpreter import interpret
from steps.kept_log import KEPT_CHARACTERS, KEPT_LINES, KeptLog
from steps.scope import Outcome, Scope
from steps.testing import Recorder, run

Step = dict[str, Any]


def ok(id: str, **more: Any) -> Step:
    return {"id": id, "type": "set", "values": {"done": True}, **more}


def bad(id: str, **more: Any) -> Step:
    return {"id": id, "type": "fail", "message": f"{id} broke", **more}


def group(id: str, *steps: Step, **more: Any) -> Step:
    return {"id": id, "type": "sequential", "steps": list(steps), **more}


def workflow(*steps: Step, **more: Any) -> Workflow:
    return Workflow.model_validate({"name": "n", "steps": list(steps), **more})


async def report(*steps: Step, **more: Any) -> Report:
    return await run(workflow(*steps, **more))


def statuses(report: Report) -> dict[str, str]:
    return {id: record.status for id, record in report.steps.items()}


async def test_a_successful_run() -> None:
    """No error, outputs computed, failure handlers left out, always-steps run."""
    done = await report(
        ok("a"), on_failure=[ok("b")], finally_=[ok("c")], outputs={"x": "{{ steps.a.outputs.done }}"}
    )
    assert (done.success, done.cancelled, done.error, done.outputs) == (True, False, None, {"x": True})
    assert statuses(done) == {"a": "succeeded", "b": "skipped", "c": "succeeded"}
    assert done.start_time <= done.end_time


async def test_a_failed_run() -> None:
    """The handlers run and see the error, the always-steps too; there are no outputs."""
    show = {"id": "show", "type": "set", "values": {"who": "{{ error.step }}", "why": "{{ error.message }}"}}
    done = await report(
        bad("a"),
        ok("b"),
        on_failure=[show],
        finally_=[{**show, "id": "last"}],
        outputs={"x": "1"},
    )
    assert (done.success, done.outputs) == (False, {})
    assert statuses(done) == {"a": "failed", "b": "blocked", "show": "succeeded", "last": "succeeded"}
    assert done.steps["show"].outputs == done.steps["last"].outputs == {"who": "a", "why": "a broke"}


async def test_error_is_none_in_finally_after_success() -> None:
    """Templates can ask."""
    done = await report(ok("a"), finally_=[ok("b", when="error is none"), ok("c", when="error is not none")])
    assert statuses(done) == {"a": "succeeded", "b": "succeeded", "c": "skipped"}


async def test_a_failing_always_step_fails_the_run() -> None:
    """Its error is the run's."""
    done = await report(ok("a"), finally_=[bad("b")], outputs={"x": "1"})
    assert (done.success, done.outputs) == (False, {})
    assert done.error is not None
    assert done.error.step == "b"


async def test_a_failing_handler_or_always_step_does_not_hide_the_first_error() -> None:
    """What failed first is what people look for."""
    done = await report(bad("a"), on_failure=[bad("b")], finally_=[bad("c")])
    assert statuses(done) == {"a": "failed", "b": "failed", "c": "failed"}
    assert done.error is not None
    assert done.error.step == "a"


async def test_steps_of_all_lists_can_be_named_from_the_first_moment() -> None:
    """One that has not run is pending."""
    done = await report(ok("a", when="steps.b.status == 'pending'"), finally_=[ok("b")])
    assert done.steps["a"].status == "succeeded"


@pytest.mark.parametrize(
    ("steps", "cause"),
    [
        ([bad("a", depends_on=[]), bad("b", depends_on=[])], "a"),
        ([ok("a", depends_on=["b"]), bad("b", depends_on=[])], "b"),
        ([group("g", ok("a"), bad("b")), bad("c")], "b"),
        ([group("g", bad("a"), continue_on_error=True), bad("b", run_if="finished")], "b"),
        ([group("g", group("h", bad("a")), continue_on_error=True), bad("b", run_if="failed")], "b"),
        ([bad("a", continue_on_error=True), ok("b"), ok("c")], "b"),
        ([group("g", bad("a", continue_on_error=True), ok("b")), bad("c", run_if="finished")], "c"),
        ([group("g", ok("a"), when="nothing"), bad("b", run_if="finished")], "g"),
        ([ok("a", for_each=["{{ nothing }}"]), bad("b", run_if="finished")], "a"),
    ],
)
async def test_the_error_is_that_of_the_first_step_that_failed_by_itself(
    steps: list[Step], cause: str
) -> None:
    """In the order of the document; what a tolerated failure covers does not count."""
    done = await report(*steps)
    assert not done.success
    assert done.error is not None
    assert done.error.step == cause


async def test_the_error_of_a_fan_out_names_the_item() -> None:
    """Message, step, index, and the place in words."""
    done = await report({**bad("a"), "message": "{{ item }} broke", "for_each": ["x", "y"]})
    assert done.error is not None
    assert done.error == StepError(message="x broke", step="a", index=0, place="[0]")


async def test_a_tolerated_failure_is_no_failure_of_the_run() -> None:
    """The outputs are there."""
    done = await report(bad("a", continue_on_error=True), outputs={"x": "{{ steps.a.status }}"})
    assert (done.success, done.error, done.outputs) == (True, None, {"x": "failed"})


async def test_stop_ends_the_run_successfully() -> None:
    """Always-steps run, outputs are computed."""
    stop = {"id": "s", "type": "stop", "message": "nothing to do"}
    done = await report(stop, bad("a"), finally_=[ok("b")], outputs={"x": "{{ steps.a.status }}"})
    assert (done.success, done.outputs) == (True, {"x": "skipped"})
    assert [line.text for line in done.logs] == ["nothing to do"]


@pytest.mark.parametrize("text", ["{{ nothing }}", "{{ steps.a.outputs.missing }}"])
async def test_outputs_that_cannot_be_computed_fail_the_run(text: str) -> None:
    """Rather than being left out in silence."""
    done = await report(ok("a"), outputs={"x": text})
    assert (done.success, done.outputs) == (False, {})
    assert done.error is not None
    assert done.error.step == "outputs"


async def test_outputs_are_json_data() -> None:
    """Times and records become what they are in JSON, so both engines hand back the same."""
    done = await report(ok("a"), outputs={"at": "{{ steps.a.started_at }}", "all": "{{ steps.a }}"})
    assert isinstance(done.outputs["at"], str)
    assert done.outputs["all"]["status"] == "succeeded"


class TestCancel:
    """A run that somebody cancels."""

    def hanging(self) -> Workflow:
        return workflow(
            {"id": "a", "type": "wait", "duration": "1h"},
            ok("b"),
            on_failure=[ok("c")],
            finally_=[ok("d")],
            outputs={"x": "1"},
        )

    async def test_while_a_step_runs(self) -> None:
        """The step ends, the rest never starts, always-steps still run, handlers of failures don't."""
        started = asyncio.Event()

        def listen(event: Event) -> None:
            if event.kind == "started":
                started.set()

        work = interpret(self.hanging(), run_id="r", listener=listen)
        task = asyncio.create_task(work.run())
        await started.wait()
        work.cancel()
        done = await task
        assert (done.success, done.cancelled, done.error, done.outputs) == (False, True, None, {})
        assert statuses(done) == {"a": "cancelled", "b": "cancelled", "c": "skipped", "d": "succeeded"}

    async def test_before_it_runs(self) -> None:
        """Nothing but the always-steps."""
        work = interpret(self.hanging(), run_id="r")
        work.cancel()
        done = await work.run()
        assert statuses(done) == {"a": "cancelled", "b": "cancelled", "c": "skipped", "d": "succeeded"}

    async def test_after_a_failure(self) -> None:
        """Somebody who cancels wants the end: the handlers of the failure don't start any more."""
        work = interpret(
            workflow(
                {"id": "a", "type": "wait", "duration": "1h"}, bad("b", depends_on=[]), on_failure=[ok("c")]
            ),
            run_id="r",
            listener=lambda event: work.cancel() if event.step == "b" and event.kind == "ended" else None,
        )
        done = await work.run()
        assert statuses(done) == {"a": "cancelled", "b": "failed", "c": "skipped"}
        assert done.error is not None
        assert done.error.step == "b"

    async def test_of_the_task_that_runs_it(self) -> None:
        """The always-steps run before the cancellation goes on."""
        started = asyncio.Event()
        recorder = Recorder()

        def listen(event: Event) -> None:
            recorder(event)
            started.set()

        task = asyncio.create_task(interpret(self.hanging(), run_id="r", listener=listen).run())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ends = [(event.step, event.status) for event in recorder.events if event.kind == "ended"]
        assert ends == [("b", "cancelled"), ("a", "cancelled"), ("d", "succeeded")]

    async def test_a_step_that_cancels_itself(self) -> None:
        """A cancellation that comes from inside a step is never reported as success."""

        async def vanish(scope: Scope, /, **keys: Any) -> Outcome:
            raise asyncio.CancelledError

        done = await run(workflow(ok("a")), executors={"set": vanish})
        assert (done.success, done.cancelled, statuses(done)) == (False, True, {"a": "cancelled"})

    async def test_while_the_handlers_run(self) -> None:
        """They are ended too; the failure before stays the error."""
        handling = asyncio.Event()

        def listen(event: Event) -> None:
            if event.step == "b":
                handling.set()

        wait = {"id": "b", "type": "wait", "duration": "1h"}
        work = interpret(
            workflow(bad("a"), on_failure=[wait], finally_=[ok("c")]), run_id="r", listener=listen
        )
        task = asyncio.create_task(work.run())
        await handling.wait()
        work.cancel()
        done = await task
        assert statuses(done) == {"a": "failed", "b": "cancelled", "c": "succeeded"}
        assert done.cancelled
        assert done.error is not None
        assert done.error.step == "a"

    async def test_while_the_always_steps_run(self) -> None:
        """They run to their end all the same."""
        work = interpret(
            workflow(ok("a"), finally_=[ok("b"), ok("c")]), run_id="r", listener=lambda event: cancel(event)
        )

        def cancel(event: Event) -> None:
            if event.step == "b":
                work.cancel()

        done = await work.run()
        assert statuses(done) == {"a": "succeeded", "b": "succeeded", "c": "succeeded"}
        assert (done.success, done.cancelled) == (False, True)


async def test_a_listener_that_fails_fails_no_step(caplog: pytest.LogCaptureFixture) -> None:
    """The run goes on, and the mistake is logged."""

    def broken(event: Event) -> None:
        raise ConnectionError("the stream is gone")

    with caplog.at_level(logging.ERROR):
        done = await interpret(workflow(ok("a")), run_id="r", listener=broken).run()
    assert done.success
    assert "the listener of a run failed on started of step a" in caplog.text


async def test_lines_are_kept_and_told() -> None:
    """The report has what the listener heard."""
    recorder = Recorder()
    note = {
        "id": "a",
        "type": "notification",
        "message": "{{ item }}",
        "for_each": ["x", "y"],
        "max_parallel": 1,
    }
    done = await run(workflow(note), listener=recorder)
    assert recorder.lines("a") == ["x", "y"]
    assert [(line.step, line.index, line.stream, line.text) for line in done.logs] == [
        ("a", 0, "log", "x"),
        ("a", 1, "log", "y"),
    ]


class TriggeredClock(Clock):
    """A clock whose only timer goes off when the test says so."""

    def __init__(self) -> None:
        self.strike: Callable[[], object] | None = None

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        self.strike = callback
        return super().call_later(seconds, lambda: None)


async def run_out_of_time(document: Workflow, *, after: str) -> Report:
    """A run whose time is up right after a step said that it had ended."""
    clock = TriggeredClock()

    def listen(event: Event) -> None:
        if (event.kind, event.step) == ("ended", after):
            assert clock.strike is not None
            asyncio.get_running_loop().call_soon(clock.strike)

    with keeping(clock):
        return await run(document, listener=listen)


@pytest.mark.parametrize(
    ("step", "error"), [(ok("b"), None), (bad("b"), "b broke")], ids=["succeeded", "failed"]
)
async def test_time_that_is_up_after_the_last_step_changes_nothing(step: Step, error: str | None) -> None:
    """Also in the moment before the run has heard of that end."""
    done = await run_out_of_time(workflow(ok("a"), step, timeout="1h"), after="b")
    assert (done.success, done.error and done.error.message) == (error is None, error)
    assert statuses(done)["b"] == ("failed" if error else "succeeded")


async def test_time_that_is_up_between_two_steps() -> None:
    """What has not begun was not in time."""
    done = await run_out_of_time(workflow(ok("a"), ok("b"), timeout="1h"), after="a")
    assert done.error is not None
    assert done.error.message == "the workflow took longer than its timeout of 1h"
    assert statuses(done) == {"a": "succeeded", "b": "cancelled"}


def test_the_last_lines_are_kept() -> None:
    """A thousand lines, and not more than a million characters, whatever the steps write."""
    log = KeptLog()
    for number in range(KEPT_LINES + 10):
        log.add(Event("line", "a", text=str(number)))
    log.add(Event("ended", "a"))
    assert [line.text for line in log.lines] == [str(number) for number in range(10, KEPT_LINES + 10)]
    for letter in "abcdef":
        log.add(Event("line", "a", text=letter * (KEPT_CHARACTERS // 4)))
    assert [line.text[0] for line in log.lines] == ["c", "d", "e", "f"]


async def test_pretended_steps_still_fill_in_their_templates() -> None:
    """An author's test without effects finds a wrong name all the same."""
    steps: list[Step] = [
        {"id": "a", "type": "command", "command": "df", "outputs": {"used": "{{ result.stdout | int }}"}},
        {"id": "b", "type": "command", "command": "rm -rf {{ params.nothing }}", "depends_on": []},
        {"id": "c", "type": "http", "url": "http://nowhere.invalid", "depends_on": []},
    ]
    leaves = {"a": Behaviour(result={"stdout": "91"}), "c": Behaviour(fail="no route")}
    done = await run(workflow(*steps), leaves=leaves)
    assert done.steps["a"].outputs == {"used": 91}
    assert "nothing" in str(done.steps["b"].error)
    assert done.steps["c"].error is not None
    assert done.steps["c"].error.message == "no route"
