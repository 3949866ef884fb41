"""The interpreter: a document becomes work, steps are tried as their policy says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.errors import ParameterError
from codegen.groups import THEN
from codegen.step import Retry
from codegen.workflow import Workflow
from steps.errors import StepFailed, StepTimedOut
from steps.events import Event, Listener
from steps.interpreter import interpret, plan
from steps.scope import Outcome, Scope, Surroundings
from steps.testing import Recorder, run
from steps.tries import wait_before, with_retries
from steps.work import below


def workflow(*steps: dict[str, Any], **more: Any) -> Workflow:
    return Workflow.model_validate({"name": "n", "steps": list(steps), **more})


class Flaky:
    """Fails a number of times, then succeeds."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.calls = 0

    async def __call__(self, scope: Scope) -> Outcome:
        self.calls += 1
        scope.attempts += 1
        if self.left:
            self.left -= 1
            raise StepFailed(f"failure {self.calls}", {"call": self.calls})
        return Outcome(self.calls)


def scope(recorder: Recorder | None = None) -> Scope:
    return Scope(Surroundings(run_id="r", name="n", listener=recorder or Recorder()), "a")


class TestRetries:
    """`attempts` counts tries, the first included."""

    @pytest.mark.parametrize(("failures", "attempts"), [(0, 1), (0, 3), (1, 2), (2, 3), (4, 5)])
    async def test_it_succeeds_within_its_tries(self, failures: int, attempts: int) -> None:
        """It stops trying as soon as it has succeeded."""
        flaky, where = Flaky(failures), scope()
        outcome = await with_retries(flaky, Retry(attempts=attempts, delay=0), where)
        assert (outcome.result, flaky.calls, where.attempts) == (failures + 1, failures + 1, failures + 1)

    @pytest.mark.parametrize("attempts", [1, 2, 5])
    async def test_it_fails_when_its_tries_are_used_up(self, attempts: int) -> None:
        """With the last failure, after exactly that many tries."""
        flaky, where = Flaky(100), scope()
        with pytest.raises(StepFailed, match=f"failure {attempts}") as raised:
            await with_retries(flaky, Retry(attempts=attempts, delay=0), where)
        assert (flaky.calls, where.attempts, raised.value.result) == (attempts, attempts, {"call": attempts})

    async def test_without_a_policy_there_is_one_try(self) -> None:
        """No retry unless the document says so."""
        flaky = Flaky(1)
        with pytest.raises(StepFailed, match="failure 1"):
            await with_retries(flaky, None, scope())
        assert flaky.calls == 1

    async def test_each_further_try_is_told(self) -> None:
        """What failed, which try comes, and when."""
        recorder = Recorder()
        await with_retries(Flaky(2), Retry(attempts=3, delay=0.001, backoff=2), scope(recorder))
        assert [(event.kind, event.text) for event in recorder.events] == [
            ("retrying", "failure 1; try 2 of 3 in 0.001s"),
            ("retrying", "failure 2; try 3 of 3 in 0.002s"),
        ]

    async def test_a_timeout_is_tried_again(self) -> None:
        """It is a failure like others."""
        calls = 0

        async def slow_once(scope: Scope) -> Outcome:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise StepTimedOut("timed out after 1s")
            return Outcome()

        await with_retries(slow_once, Retry(attempts=2, delay=0), scope())
        assert calls == 2

    async def test_tries_are_counted_in_the_record(self) -> None:
        """`steps.<id>.attempts` is the number of tries made, per item and in all."""
        retry = {"attempts": 3, "delay": 0}
        done = await run(
            workflow(
                {"id": "a", "type": "fail", "message": "no", "retry": retry},
                {
                    "id": "b",
                    "type": "fail",
                    "message": "no",
                    "retry": retry,
                    "for_each": [1, 2],
                    "depends_on": [],
                },
                {"id": "c", "type": "set", "values": {"x": 1}, "retry": retry, "depends_on": []},
            )
        )
        assert {id: record.attempts for id, record in done.steps.items()} == {"a": 3, "b": 6, "c": 1}
        assert [item.attempts for item in done.steps["b"].items] == [3, 3]

    async def test_failing_outputs_are_a_failed_try(self) -> None:
        """Computing outputs belongs to the step: it is tried again as a whole."""
        done = await run(
            workflow(
                {
                    "id": "a",
                    "type": "set",
                    "values": {"x": 1},
                    "outputs": {"y": "{{ result.nothing }}"},
                    "retry": {"attempts": 2, "delay": 0},
                }
            )
        )
        assert (done.steps["a"].status, done.steps["a"].attempts) == ("failed", 2)


RETRIES = st.builds(
    Retry,
    attempts=st.integers(1, 1000),
    delay=st.floats(0, 1000),
    backoff=st.floats(1, 100),
    max_delay=st.none() | st.floats(0, 5000),
    jitter=st.booleans(),
)


class TestDelays:
    """How long a step waits between two tries."""

    @pytest.mark.parametrize(
        ("retry", "delays"),
        [
            (Retry(delay=2), [2, 2, 2]),
            (Retry(delay=2, backoff=2), [2, 4, 8]),
            (Retry(delay=2, backoff=3, max_delay=10), [2, 6, 10]),
            (Retry(delay=20, max_delay=5), [5, 5, 5]),
            (Retry(delay=0, backoff=2), [0, 0, 0]),
        ],
    )
    def test_backoff(self, retry: Retry, delays: list[float]) -> None:
        """Before the second, third and fourth try."""
        assert [wait_before(attempt, retry) for attempt in (2, 3, 4)] == delays

    def test_fifty_delays_grow(self) -> None:
        """Then the last one holds: Prefect takes no more, and both engines wait alike."""
        retry = Retry(attempts=100, delay=1, backoff=1.1)
        delays = [retry.delay_before(attempt) for attempt in range(2, 101)]
        assert delays[48] < delays[49] == delays[50] == delays[98]

    @given(RETRIES, st.integers(2, 1000))
    def test_bounds(self, retry: Retry, attempt: int) -> None:
        """Never negative, never beyond `max_delay` or a day and a half; jitter moves it by half at most."""
        delay = wait_before(attempt, retry)
        plain = retry.delay_before(attempt)
        assert 0 <= delay <= 1.5 * 86400
        assert retry.max_delay is None or delay <= retry.max_delay
        assert delay == plain if not retry.jitter else delay <= 1.5 * plain

    @given(RETRIES, st.integers(2, 999))
    def test_delays_never_shrink(self, retry: Retry, attempt: int) -> None:
        """Apart from jitter."""
        assert retry.delay_before(attempt) <= retry.delay_before(attempt + 1)


async def test_parameters_are_checked_and_defaults_filled_in() -> None:
    """A run sees all parameters of its document."""
    document = workflow(
        {"id": "a", "type": "set", "values": {"sum": "{{ params.x + params.y }}"}},
        parameters={"x": {"type": "integer"}, "y": {"type": "integer", "default": 2}},
    )
    done = await interpret(document, run_id="r", parameters={"x": 1}).run()
    assert done.steps["a"].outputs == {"sum": 3}
    with pytest.raises(ParameterError, match="x: a value is required"):
        interpret(document, run_id="r")


@pytest.mark.parametrize(
    ("given_targets", "expected"),
    [(None, ["a.localhost", "b.localhost"]), (["c.localhost"], ["c.localhost"]), ([], [])],
)
async def test_targets_stand_in_for_the_documents_own(
    given_targets: list[str] | None, expected: list[str]
) -> None:
    """None given: those of the document. An empty list: none at all."""
    document = workflow(
        {"id": "a", "type": "set", "values": {"t": "{{ target }}"}, "on": "targets"},
        {"id": "b", "type": "set", "values": {"all": "{{ targets }}"}},
        targets=["a.localhost", "b.localhost"],
    )
    done = await interpret(document, run_id="r", targets=given_targets).run()
    assert [item.outputs["t"] for item in done.steps["a"].items] == expected
    assert done.steps["b"].outputs == {"all": expected}


async def test_what_a_step_sees() -> None:
    """The names of the contract."""
    document = workflow(
        {
            "id": "a",
            "type": "set",
            "for_each": ["x"],
            "values": {"seen": ["{{ name }}", "{{ run.id }}", "{{ item }}", "{{ index }}", "{{ target }}"]},
        }
    )
    done = await interpret(document, run_id="r7").run()
    assert done.steps["a"].items[0].outputs == {"seen": ["n", "r7", "x", 0, "localhost"]}


@pytest.mark.parametrize("name", ["item", "index", "result", "error.message"])
async def test_what_a_step_does_not_see(name: str) -> None:
    """An item outside of a fan-out, a result before there is one, an error where there is none."""
    done = await run(workflow({"id": "a", "type": "set", "values": {"x": f"{{{{ {name} }}}}"}}))
    assert done.steps["a"].status == "failed"


async def test_outputs_may_hold_any_value() -> None:
    """A single expression keeps its type, data built from others too."""
    document = workflow(
        {
            "id": "a",
            "type": "set",
            "values": {"n": 3},
            "outputs": {"list": "{{ [result.n, 'x'] }}", "text": "n={{ result.n }}"},
        }
    )
    done = await interpret(document, run_id="r").run()
    assert done.steps["a"].outputs == {"n": 3, "list": [3, "x"], "text": "n=3"}


async def test_a_steps_own_timeout_reaches_its_executor() -> None:
    """And ends it."""
    done = await run(workflow({"id": "a", "type": "wait", "duration": "1h", "timeout": "10ms"}))
    assert done.steps["a"].error is not None
    assert done.steps["a"].error.message == "timed out after 10ms"


def test_a_plan_has_all_lists_parents_first() -> None:
    """In the order of the document, with what the driver needs to know."""
    inner = {"id": "b", "type": "fail", "message": "m", "for_each": [1], "max_parallel": 2}
    made = plan(
        workflow(
            {"id": "g", "type": "condition", "when": "1 < 2", "then": [inner]},
            on_failure=[{"id": "c", "type": "stop"}],
            finally_=[{"id": "d", "type": "stop", "when": "true"}],
            outputs={"x": "1"},
        )
    )
    group, leaf = made.steps
    assert (group.id, group.is_frame, group.when) == ("g", True, None)
    assert group.branch is not None
    assert group.branch(scope()) == THEN
    assert (leaf.id, leaf.node.parent, leaf.node.branch, leaf.max_parallel) == ("b", "g", THEN, 2)
    assert [work.id for work in (*made.on_failure, *made.finally_)] == ["c", "d"]
    assert made.outputs == {"x": "1"}


def test_a_group_that_says_something_of_its_steps_runs_them_by_itself() -> None:
    """They are inside it, and have no parent in the list around it."""
    inner = {"id": "a", "type": "stop", "on_error": {"steps": [{"id": "h", "type": "stop"}]}}
    frame = {"id": "f", "type": "sequential", "steps": [inner]}
    made = plan(workflow({"id": "g", "type": "parallel", "steps": [frame], "wait_for": "any"}))
    (group,) = made.steps
    assert group.inner is not None
    assert [(work.id, work.node.parent, work.is_frame) for work in group.inner.works] == [
        ("f", None, True),
        ("a", "f", False),
    ]
    assert [work.id for work in below(made.steps)] == ["g", "f", "a", "h"]


def listening_for_ends(ended: list[str]) -> Listener:
    def listen(event: Event) -> None:
        if event.kind == "ended":
            ended.append(event.step)

    return listen


async def test_a_long_chain() -> None:
    """Two thousand steps in a row end in that order."""
    chain: list[dict[str, Any]] = [
        {"id": f"s{i}", "type": "validation", "that": "true"} for i in range(2_000)
    ]
    ended: list[str] = []
    done = await interpret(workflow(*chain), run_id="r", listener=listening_for_ends(ended)).run()
    assert done.success
    assert ended == [step["id"] for step in chain]


async def test_a_wide_join() -> None:
    """A thousand steps side by side before one: it ends last, once."""
    wide: list[dict[str, Any]] = [
        {"id": f"s{i}", "type": "validation", "that": "true", "depends_on": []} for i in range(1_000)
    ]
    join = {"id": "join", "type": "stop", "depends_on": [step["id"] for step in wide]}
    ended: list[str] = []
    done = await interpret(workflow(*wide, join), run_id="r", listener=listening_for_ends(ended)).run()
    assert done.success
    assert len(ended) == 1_001
    assert ended[-1] == "join"
