"""The driver: carries out what the conductor decides, and keeps the records."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from codegen.groups import ELSE, THEN
from codegen.result import StepError, StepRecord
from codegen.schedule import Node
from steps.branching import as_it_holds
from steps.driver import Driver
from steps.errors import StepFailed
from steps.events import Event
from steps.frame import Frame
from steps.scope import Outcome, Scope, Surroundings
from steps.work import LONGEST_FAN_OUT, Work, blank

Perform = Callable[[Scope], Awaitable[Outcome]]


async def succeed(scope: Scope) -> Outcome:
    scope.attempts += 1
    return Outcome("done", {"value": 1})


async def break_down(scope: Scope) -> Outcome:
    scope.attempts += 1
    raise StepFailed(f"{scope.label} broke", {"exit_code": 3})


async def hang(scope: Scope) -> Outcome:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


def node(id: str, after: tuple[str, ...], more: dict[str, Any], *, is_group: bool = False) -> Node:
    """Takes out of `more` what belongs to the place of a step; `into` is the branch that it stands in."""
    keys = [key for key in ("run_if", "join", "enabled", "parent", "tolerated") if key in more]
    place = {key: more.pop(key) for key in keys}
    return Node(id, after=after, branch=more.pop("into", None), is_group=is_group, **place)


def leaf(id: str, perform: Perform = succeed, *after: str, **more: Any) -> Work:
    return Work(node=node(id, after, more), perform=perform, **more)


def group(id: str, *after: str, **more: Any) -> Work:
    return Work(node=node(id, after, more, is_group=True), **more)


def around(**more: Any) -> Surroundings:
    return Surroundings(run_id="r", name="n", **more)


def driving(works: Sequence[Work], surroundings: Surroundings) -> Driver:
    """A driver of these works, none of which has run."""
    surroundings.steps.update(blank(works))
    return Driver(works, Frame(surroundings))


async def records(*works: Work, **more: Any) -> dict[str, StepRecord]:
    surroundings = around(**more)
    await driving([*works], surroundings).run()
    return surroundings.steps


def statuses(steps: dict[str, StepRecord]) -> dict[str, str]:
    return {id: record.status for id, record in steps.items()}


def message(record: StepRecord) -> str:
    assert record.error is not None
    return record.error.message


class Gate:
    """A step that says when it has begun and ends when it is told to."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.goes = asyncio.Event()

    async def __call__(self, scope: Scope) -> Outcome:
        self.begun.set()
        await self.goes.wait()
        return Outcome()


async def test_a_record_holds_what_the_step_gave() -> None:
    """Result, outputs, tries and times."""
    record = (await records(leaf("a")))["a"]
    assert (record.status, record.result, record.outputs, record.attempts) == (
        "succeeded",
        "done",
        {"value": 1},
        1,
    )
    assert record.started_at is not None
    assert record.ended_at is not None
    assert record.started_at <= record.ended_at


async def test_a_failed_step_keeps_its_error_and_result() -> None:
    """What the failure had with it, and who failed."""
    record = (await records(leaf("a", break_down)))["a"]
    assert (record.status, record.result, record.attempts) == ("failed", {"exit_code": 3}, 1)
    assert record.error is not None
    assert record.error == StepError(message="a broke", step="a")


async def test_a_step_that_raises_anything_else_fails_alone() -> None:
    """A mistake inside one step does not take the run with it."""

    async def mistake(scope: Scope) -> Outcome:
        raise ZeroDivisionError("division by zero")

    steps = await records(leaf("a", mistake), leaf("b"))
    assert message(steps["a"]) == "ZeroDivisionError: division by zero"
    assert steps["b"].status == "succeeded"


async def test_a_blocked_step_says_which_step_blocked_it() -> None:
    """Down the chain each names the one before it; it never ran, so it has no times."""
    steps = await records(leaf("a", break_down), leaf("b", succeed, "a"), leaf("c", succeed, "b"))
    assert message(steps["b"]) == "blocked because a failed"
    assert message(steps["c"]) == "blocked because b was blocked"
    assert (steps["b"].started_at, steps["b"].ended_at, steps["b"].attempts) == (None, None, 0)


async def test_a_join_out_of_reach_names_the_step_that_failed() -> None:
    """Not one that is written before it and is still to come."""
    gate, told = Gate(), asyncio.Event()
    works = [
        leaf("slow", gate),
        leaf("later", succeed, "slow"),
        leaf("bad", break_down),
        leaf("both", succeed, "later", "bad", join=2),
    ]
    surroundings = around(listener=lambda event: told.set() if event.step == "both" else None)
    run = asyncio.create_task(driving(works, surroundings).run())
    await told.wait()
    assert not run.done()
    assert message(surroundings.steps["both"]) == "blocked because bad failed"
    gate.goes.set()
    assert await run == "failed"


async def test_steps_of_a_blocked_group_name_the_group() -> None:
    """They have no dependency of their own that failed."""
    steps = await records(leaf("a", break_down), group("g", "a"), leaf("b", succeed, parent="g"))
    assert message(steps["b"]) == "blocked because g was blocked"


async def test_a_step_starts_the_moment_its_own_dependencies_allow() -> None:
    """A slow stranger on the same level holds nobody up."""
    slow, after_quick = Gate(), Gate()
    works = [
        leaf("slow", slow),
        leaf("quick"),
        leaf("next", after_quick, "quick"),
        leaf("end", succeed, "slow"),
    ]
    run = asyncio.create_task(records(*works))
    await after_quick.begun.wait()
    assert slow.begun.is_set()
    assert not run.done()
    slow.goes.set()
    after_quick.goes.set()
    assert set(statuses(await run).values()) == {"succeeded"}


async def test_steps_side_by_side_run_at_once() -> None:
    """Each waits until all have begun."""
    barrier = asyncio.Barrier(5)

    async def meet(scope: Scope) -> Outcome:
        await barrier.wait()
        return Outcome()

    steps = await records(*(leaf(f"s{i}", meet) for i in range(5)))
    assert set(statuses(steps).values()) == {"succeeded"}


async def test_running_steps_can_be_seen_by_others() -> None:
    """`steps.<id>.status` of a step that runs is `running`."""
    gate, seen = Gate(), []

    async def look(scope: Scope) -> Outcome:
        await gate.begun.wait()
        seen.append(scope.names()["steps"]["a"].status)
        gate.goes.set()
        return Outcome()

    await records(leaf("a", gate), leaf("b", look))
    assert seen == ["running"]


async def test_when_false_skips() -> None:
    """The step is not performed, its dependents are satisfied."""
    steps = await records(leaf("a", break_down, when="1 > 2"), leaf("b", succeed, "a"))
    assert statuses(steps) == {"a": "skipped", "b": "succeeded"}
    assert steps["a"].attempts == 0


async def test_when_that_cannot_be_evaluated_fails_without_a_try() -> None:
    """The step fails, and it was never tried."""
    record = (await records(leaf("a", when="params.nothing > 2")))["a"]
    assert (record.status, record.attempts) == ("failed", 0)
    assert "nothing" in message(record)


class TestStop:
    """A step whose outcome stops the run."""

    async def test_what_has_not_started_is_skipped(self) -> None:
        """Its own dependents too, also those that run whatever happened."""

        async def stop(scope: Scope) -> Outcome:
            return Outcome(stops=True)

        steps = await records(
            leaf("a", stop), leaf("b", succeed, "a"), leaf("c", succeed, "b", run_if="finished")
        )
        assert statuses(steps) == {"a": "succeeded", "b": "skipped", "c": "skipped"}

    async def test_what_runs_may_finish(self) -> None:
        """A failure after the stop is still a failure."""
        stopped = asyncio.Event()

        async def stop(scope: Scope) -> Outcome:
            stopped.set()
            return Outcome(stops=True)

        async def fail_later(scope: Scope) -> Outcome:
            await stopped.wait()
            raise StepFailed("too late")

        surroundings = around()
        driver = driving(
            [leaf("a", fail_later), leaf("b", stop), leaf("c", succeed, "a"), leaf("d", succeed, "b")],
            surroundings,
        )
        assert await driver.run() == "failed"
        assert statuses(surroundings.steps) == {
            "a": "failed",
            "b": "succeeded",
            "c": "skipped",
            "d": "skipped",
        }

    async def test_inside_a_group(self) -> None:
        """The groups around it succeed, what comes after them is skipped."""

        async def stop(scope: Scope) -> Outcome:
            return Outcome(stops=True)

        steps = await records(
            group("g"),
            leaf("a", stop, parent="g"),
            leaf("b", succeed, "a", parent="g"),
            leaf("c", succeed, "g"),
        )
        assert statuses(steps) == {"g": "succeeded", "a": "succeeded", "b": "skipped", "c": "skipped"}


class TestGroups:
    """Groups open, choose, and take their outcome from their steps."""

    async def test_when_false_skips_the_whole_group(self) -> None:
        """And satisfies its dependents."""
        steps = await records(
            group("g", when="false"), leaf("a", break_down, parent="g"), leaf("b", succeed, "g")
        )
        assert statuses(steps) == {"g": "skipped", "a": "skipped", "b": "succeeded"}

    async def test_a_condition_that_cannot_be_evaluated_fails_the_group_and_blocks_its_steps(self) -> None:
        """The group's error is its own."""
        steps = await records(group("g", when="nothing"), leaf("a", succeed, parent="g"))
        assert statuses(steps) == {"g": "failed", "a": "blocked"}
        assert steps["g"].error is not None
        assert steps["g"].error.step == "g"
        assert message(steps["a"]) == "blocked because g failed"

    @pytest.mark.parametrize(("when", "taken", "other"), [("true", "a", "b"), ("false", "b", "a")])
    async def test_a_choice_takes_one_branch(self, when: str, taken: str, other: str) -> None:
        """The other one is skipped."""
        steps = await records(
            group("g", branch=as_it_holds(when)),
            leaf("a", succeed, parent="g", into=THEN),
            leaf("b", succeed, parent="g", into=ELSE),
        )
        assert (steps[taken].status, steps[other].status) == ("succeeded", "skipped")

    async def test_a_failed_group_reports_the_first_step_that_failed_by_itself(self) -> None:
        """Not one that was only blocked, not one whose failure is tolerated."""
        steps = await records(
            group("g"),
            leaf("blocked", succeed, "real", parent="g"),
            leaf("tolerated", break_down, parent="g", tolerated=True),
            leaf("real", break_down, parent="g"),
        )
        assert message(steps["g"]) == "real broke"

    async def test_a_long_chain_of_groups_that_end_at_once(self) -> None:
        """Two thousand empty branches one after the other need no deep stack."""
        works = []
        for i in range(2_000):
            works.append(group(f"g{i}", *([f"g{i - 1}"] if i else []), branch=as_it_holds("false")))
            works.append(leaf(f"s{i}", succeed, parent=f"g{i}", into=THEN))
        steps = await records(*works)
        assert (steps["g1999"].status, steps["s1999"].status) == ("succeeded", "skipped")


class TestFanOut:
    """One step, once per target or item."""

    async def test_items_keep_the_order_given(self) -> None:
        """Whichever ends first."""
        gates = [asyncio.Event() for _ in range(3)]
        gates[2].set()

        async def backwards(scope: Scope) -> Outcome:
            assert scope.index is not None
            await gates[scope.index].wait()
            gates[scope.index - 1].set()
            return Outcome(scope.item)

        record = (await records(leaf("a", backwards, for_each=["x", "y", "z"])))["a"]
        assert [item.result for item in record.items] == ["x", "y", "z"]
        assert [item.item for item in record.items] == ["x", "y", "z"]

    async def test_all_items_run_even_when_one_fails(self) -> None:
        """The step fails with the first failure in the order of the items; tries add up."""

        async def odd(scope: Scope) -> Outcome:
            return await (break_down if scope.item % 2 else succeed)(scope)

        record = (await records(leaf("a", odd, for_each="[0, 1, 2, 3]", max_parallel=1)))["a"]
        assert [item.status for item in record.items] == ["succeeded", "failed", "succeeded", "failed"]
        assert (record.status, record.attempts, message(record)) == ("failed", 4, "a [1] broke")

    async def test_when_is_evaluated_per_item(self) -> None:
        """An item whose condition is false is skipped, one whose condition breaks has failed."""
        record = (await records(leaf("a", when="6 / item > 2", for_each=[1, 6, 0])))["a"]
        assert [item.status for item in record.items] == ["succeeded", "skipped", "failed"]
        assert [item.attempts for item in record.items] == [1, 0, 0]

    async def test_all_items_skipped_is_skipped(self) -> None:
        """As if the step's own condition were false."""
        assert (await records(leaf("a", when="item > 5", for_each=[1, 2])))["a"].status == "skipped"

    async def test_nothing_to_do_is_skipped(self) -> None:
        """An empty list is no failure."""
        steps = await records(leaf("a", break_down, for_each="[]"), leaf("b", succeed, "a"))
        assert statuses(steps) == {"a": "skipped", "b": "succeeded"}

    @pytest.mark.parametrize("limit", [1, 3])
    async def test_max_parallel_bounds_the_executions_in_progress(self, limit: int) -> None:
        """Never more at once, and all of them in the end."""
        running, most = 0, 0

        async def count(scope: Scope) -> Outcome:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return Outcome()

        record = (await records(leaf("a", count, for_each=list(range(10)), max_parallel=limit)))["a"]
        assert most == limit
        assert len(record.items) == 10

    async def test_once_per_target(self) -> None:
        """Each execution sees its target."""

        async def tell(scope: Scope) -> Outcome:
            return Outcome(scope.render("{{ target }} {{ index }}"))

        targets = ("a.localhost", "b.localhost")
        record = (await records(leaf("a", tell, on="targets"), targets=targets))["a"]
        assert [item.result for item in record.items] == ["a.localhost 0", "b.localhost 1"]
        assert [item.target for item in record.items] == list(targets)

    async def test_a_target_from_a_template_that_cannot_be_reached_fails(self) -> None:
        """It must never run on this machine instead."""
        record = (await records(leaf("a", on="{{ params.host }}"), params={"host": "web-1"}))["a"]
        assert (record.status, record.attempts) == ("failed", 0)
        assert "web-1 can't be reached" in message(record)

    @pytest.mark.parametrize(
        ("for_each", "reason"),
        [
            ("params.nothing", "nothing"),
            ("'abc'", "gave str, not a list"),
            ("5", "gave int, not a list"),
            ("{'a': 1}", "gave a mapping, not a list"),
            ("params.long + ['one more']", f"more than {LONGEST_FAN_OUT:,} items"),
        ],
    )
    async def test_a_list_that_is_none_fails_without_a_try(self, for_each: str, reason: str) -> None:
        """The message says what the expression gave."""
        params = {"long": list(range(LONGEST_FAN_OUT))}
        record = (await records(leaf("a", for_each=for_each), params=params))["a"]
        assert (record.status, record.attempts, record.items) == ("failed", 0, ())
        assert reason in message(record)


class TestCancel:
    """Running steps are ended, nothing more starts."""

    async def test_running_and_waiting_steps(self) -> None:
        """Only those that ran have a start."""
        surroundings, gate = around(), Gate()
        driver = driving([leaf("a"), leaf("b", gate, "a"), leaf("c", succeed, "b")], surroundings)
        run = asyncio.create_task(driver.run())
        await gate.begun.wait()
        driver.cancel()
        assert await run == "cancelled"
        steps = surroundings.steps
        assert statuses(steps) == {"a": "succeeded", "b": "cancelled", "c": "cancelled"}
        assert steps["b"].started_at is not None
        assert steps["c"].started_at is None

    async def test_before_the_first_moment(self) -> None:
        """A driver that is cancelled before it runs starts nothing."""
        surroundings = around()
        driver = driving([leaf("a"), group("g"), leaf("b", parent="g")], surroundings)
        driver.cancel()
        assert await driver.run() == "cancelled"
        assert set(statuses(surroundings.steps).values()) == {"cancelled"}

    async def test_a_step_that_was_about_to_begin(self) -> None:
        """It was ready but had not had its first moment: it is cancelled, and the run goes on to its end."""
        surroundings = around()

        async def cancel_at_once(scope: Scope) -> Outcome:
            driver.cancel()
            return Outcome()

        driver = driving([leaf("a", cancel_at_once), leaf("b")], surroundings)
        assert await driver.run() == "cancelled"
        assert surroundings.steps["b"].status == "cancelled"
        assert surroundings.steps["b"].started_at is None

    async def test_items_in_progress_and_items_that_wait(self) -> None:
        """Those that had ended keep their outcome."""
        surroundings, gate = around(), Gate()

        async def second_hangs(scope: Scope) -> Outcome:
            return await (gate if scope.index == 1 else succeed)(scope)

        driver = driving([leaf("a", second_hangs, for_each=["x", "y", "z"], max_parallel=1)], surroundings)
        run = asyncio.create_task(driver.run())
        await gate.begun.wait()
        driver.cancel()
        assert await run == "cancelled"
        record = surroundings.steps["a"]
        assert [item.status for item in record.items] == ["succeeded", "cancelled", "cancelled"]
        assert [item.started_at is not None for item in record.items] == [True, True, False]
        assert [item.item for item in record.items] == ["x", "y", "z"]
        assert record.status == "cancelled"

    async def test_twice_is_as_good_as_once(self) -> None:
        """An impatient second cancel changes nothing."""
        surroundings, gate = around(), Gate()
        driver = driving([leaf("a", gate)], surroundings)
        run = asyncio.create_task(driver.run())
        await gate.begun.wait()
        driver.cancel()
        driver.cancel()
        assert await run == "cancelled"

    async def test_a_failure_before_the_cancel_stays_a_failure(self) -> None:
        """The whole list failed, then it was cancelled."""
        surroundings, gate = around(), Gate()
        driver = driving([leaf("a", break_down), leaf("b", gate)], surroundings)
        run = asyncio.create_task(driver.run())
        await gate.begun.wait()
        await asyncio.sleep(0)
        driver.cancel()
        assert await run == "failed"

    async def test_cancelling_the_task_that_runs_it_leaves_nothing_behind(self) -> None:
        """The steps have ended before the cancellation comes through."""
        ended = asyncio.Event()
        begun = asyncio.Event()

        async def clean_up(scope: Scope) -> Outcome:
            begun.set()
            try:
                return await hang(scope)
            finally:
                await asyncio.sleep(0)
                ended.set()

        run = asyncio.create_task(driving([leaf("a", clean_up)], around()).run())
        await begun.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert ended.is_set()


class TestEvents:
    """What listeners hear."""

    async def heard(self, *works: Work) -> list[tuple[str, str, str]]:
        events: list[Event] = []
        await records(*works, listener=events.append)
        return [(event.kind, event.label, event.status) for event in events]

    async def test_one_start_and_one_end_per_execution(self) -> None:
        """Groups are silent."""
        heard = await self.heard(
            group("g"),
            leaf("a", succeed, parent="g"),
            leaf("b", break_down, "g", for_each=[1, 2], max_parallel=1),
        )
        assert heard == [
            ("started", "a", ""),
            ("ended", "a", "succeeded"),
            ("started", "b [0]", ""),
            ("ended", "b [0]", "failed"),
            ("started", "b [1]", ""),
            ("ended", "b [1]", "failed"),
        ]

    async def test_a_step_that_never_runs_ends_without_a_start(self) -> None:
        """Skipped, blocked, nothing to do, no list: each is told once."""
        heard = await self.heard(
            leaf("skipped", when="false"),
            leaf("empty", for_each="[]"),
            leaf("broken", for_each="nothing"),
            leaf("blocked", succeed, "broken"),
        )
        assert heard == [
            ("ended", "skipped", "skipped"),
            ("ended", "empty", "skipped"),
            ("ended", "broken", "failed"),
            ("ended", "blocked", "blocked"),
        ]
