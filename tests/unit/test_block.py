"""Groups that run their steps by themselves: fan-out, tries, rounds, limits, outputs, races, switches."""

import asyncio

import pytest

from tests.unit.actor import (
    Actor,
    Spec,
    items,
    message,
    parallel,
    sequential,
    statuses,
    step,
    unfinished,
    workflow,
)

FOREVER = 1000
AGAIN = {"attempts": 3, "delay": 0}


class TestFanOut:
    """A group once per item."""

    async def test_each_execution_has_records_of_its_own(self) -> None:
        """`steps.<inner>.items[i]` is the record in execution i; inside it, `steps.<inner>` is plain."""
        look = step("b", outputs={"seen": "{{ steps.a.result }} {{ item }} {{ index }}"})
        actor = Actor(results={"a.0": "zero", "a.1": "one"})
        done = await actor.run(sequential("g", step("a"), look, for_each=["x", "y"]))
        assert [item.outputs["seen"] for item in done.steps["b"].items] == ["zero x 0", "one y 1"]
        assert [item.item for item in done.steps["b"].items] == ["x", "y"]
        assert items(done.steps["g"]) == ["succeeded", "succeeded"]

    async def test_an_execution_that_fails_holds_up_no_other(self) -> None:
        """The group fails with its cause; the other execution runs to its end."""
        actor = Actor(fails={"a.0": 1})
        done = await actor.run(sequential("g", step("a"), step("b"), for_each=["x", "y"]), step("c"))
        assert items(done.steps["a"]) == ["failed", "succeeded"]
        assert items(done.steps["b"]) == ["blocked", "succeeded"]
        assert statuses(done) == {"g": "failed", "a": "failed", "b": "blocked", "c": "blocked"}
        assert (message(done.steps["g"]), done.steps["g"].items[0].status) == ("a.0 broke", "failed")

    async def test_when_is_evaluated_per_execution(self) -> None:
        """The steps of an execution that is skipped are skipped; of one whose `when` broke, blocked."""
        group = sequential("g", step("a"), for_each=[1, 6, 0], when="6 / item > 2")
        done = await Actor().run(group)
        assert items(done.steps["g"]) == ["succeeded", "skipped", "failed"]
        assert items(done.steps["a"]) == ["succeeded", "skipped", "blocked"]

    async def test_fan_out_inside_of_fan_out(self) -> None:
        """`.items[i].items[j]`."""
        actor = Actor(fails={"a.1.0": 1})
        inner = sequential("h", step("a"), for_each=["{{ item }}1", "{{ item }}2"])
        done = await actor.run(sequential("g", inner, for_each=["x", "y"]))
        assert [items(item) for item in done.steps["a"].items] == [
            ["succeeded", "succeeded"],
            ["failed", "succeeded"],
        ]
        assert [[one.item for one in item.items] for item in done.steps["a"].items] == [
            ["x1", "x2"],
            ["y1", "y2"],
        ]
        assert unfinished(done) == []

    async def test_targets_take_every_item(self) -> None:
        """All items of the first target, then those of the second."""
        group = sequential("g", step("a"), on="targets", for_each=[1, 2])
        done = await Actor().run(group, targets=["a.localhost", "b.localhost"])
        assert [(item.target, item.item) for item in done.steps["a"].items] == [
            ("a.localhost", 1),
            ("a.localhost", 2),
            ("b.localhost", 1),
            ("b.localhost", 2),
        ]

    async def test_an_empty_list_skips_the_steps(self) -> None:
        """They have no items."""
        done = await Actor().run(sequential("g", step("a"), for_each="[]"))
        assert statuses(done) == {"g": "skipped", "a": "skipped"}

    async def test_a_list_that_cannot_be_had_blocks_the_steps(self) -> None:
        """They say why."""
        done = await Actor().run(sequential("g", step("a"), for_each="nothing"))
        assert statuses(done) == {"g": "failed", "a": "blocked"}
        assert message(done.steps["a"]) == "blocked because g failed"

    async def test_what_was_blocked_says_in_which_execution(self) -> None:
        """Like what failed: steps behind it, and those inside a group that never began."""
        inner = sequential("h", step("c"), retry={"attempts": 2})
        actor = Actor(fails={"a.1": 1})
        done = await actor.run(
            sequential("g", step("a"), step("b"), inner, on="targets", for_each=[1]),
            targets=["a.localhost", "b.localhost"],
        )
        for id in ("a", "b", "h", "c"):
            error = done.steps[id].items[1].error
            assert error is not None
            assert (error.step, error.target, error.index) == (id, "b.localhost", 1)
            assert error.place == "on b.localhost [1]"

    async def test_max_parallel_bounds_the_executions(self) -> None:
        """One after the other, each to its end."""
        actor = Actor()
        await actor.run(sequential("g", step("a"), step("b"), for_each=[1, 2, 3], max_parallel=1))
        assert actor.did == ["a.0", "b.0", "a.1", "b.1", "a.2", "b.2"]


class TestRetry:
    """A group is tried again as a whole."""

    async def test_all_its_steps_run_again(self) -> None:
        """The records are those of the last try; tries are counted."""
        actor = Actor(fails={"b": 1})
        done = await actor.run(sequential("g", step("a"), step("b"), retry=AGAIN))
        assert actor.did == ["a", "b", "a", "b"]
        assert done.success
        assert [done.steps[id].attempts for id in ("g", "a", "b")] == [2, 1, 1]

    async def test_it_fails_with_its_last_failure(self) -> None:
        """What came after the step that failed is blocked."""
        actor = Actor(fails={"a": FOREVER})
        done = await actor.run(sequential("g", step("a"), step("b"), retry=AGAIN))
        assert statuses(done) == {"g": "failed", "a": "failed", "b": "blocked"}
        assert (done.steps["g"].attempts, message(done.steps["g"])) == (3, "a broke")

    async def test_once_per_item(self) -> None:
        """Only the execution that failed."""
        actor = Actor(fails={"a.1": 1})
        done = await actor.run(sequential("g", step("a"), retry=AGAIN, for_each=[1, 2], max_parallel=1))
        assert actor.did == ["a.0", "a.1", "a.1"]
        assert (done.success, done.steps["g"].attempts) == (True, 3)

    @pytest.mark.parametrize("more", [{}, {"on_error": {"steps": [step("handler")]}}])
    async def test_a_branch_that_cannot_be_chosen_fails_and_leaves_nobody_pending(self, more: Spec) -> None:
        """The steps are blocked, and nothing is left that looks as if it were still to come."""
        choice = {"id": "g", "type": "condition", "when": "nothing", "then": [step("a")], "retry": AGAIN}
        done = await Actor().run({**choice, **more})
        assert (done.steps["g"].status, done.steps["a"].status) == ("failed", "blocked")
        assert unfinished(done) == []


class TestRepeat:
    """A step again until it is as it should be."""

    async def test_until(self) -> None:
        """As soon as it is true."""
        actor = Actor(results={"a": [0, 1, 2]})
        done = await actor.run(step("a", repeat={"until": "result == 2", "max": 5}))
        assert (done.success, done.steps["a"].attempts, done.steps["a"].result) == (True, 3, 2)

    async def test_while(self) -> None:
        """As long as it is true, and once at least."""
        actor = Actor(results={"a": [0, 1, 2]})
        done = await actor.run(step("a", repeat={"while": "result < 1", "max": 5}))
        assert (done.success, actor.did, done.steps["a"].result) == (True, ["a", "a"], 1)

    @pytest.mark.parametrize(("key", "still"), [("until", "not yet true"), ("while", "still true")])
    async def test_it_fails_when_its_rounds_are_used_up(self, key: str, still: str) -> None:
        """And keeps its last result."""
        condition = "result == 1" if key == "until" else "result == 7"
        actor = Actor(results={"a": 7})
        done = await actor.run(step("a", repeat={key: condition, "max": 3}))
        assert (len(actor.did), done.steps["a"].result) == (3, 7)
        assert message(done.steps["a"]) == f"repeat: '{condition}' was {still} after 3 rounds"

    async def test_a_round_that_fails_ends_it(self) -> None:
        """A round is all tries of `retry`."""
        actor = Actor(fails={"a": 3})
        done = await actor.run(step("a", retry=AGAIN, repeat={"until": "true", "max": 5}))
        assert (done.steps["a"].status, len(actor.did)) == ("failed", 3)

    async def test_a_round_may_be_tried_again(self) -> None:
        """All tries of all rounds are counted."""
        actor = Actor(fails={"a": 2})
        done = await actor.run(step("a", retry=AGAIN, repeat={"until": "false", "max": 2}))
        assert (len(actor.did), done.steps["a"].attempts) == (4, 4)

    async def test_a_group(self) -> None:
        """The expression sees the steps of the round; the records are the last round's."""
        actor = Actor(results={"a": [0, 1]})
        until = "steps.a.result == 1"
        done = await actor.run(sequential("g", step("a"), step("b"), repeat={"until": until, "max": 3}))
        assert (done.success, actor.did) == (True, ["a", "b", "a", "b"])
        assert done.steps["a"].result == 1

    async def test_a_group_per_item(self) -> None:
        """Each execution goes by its own steps."""
        actor = Actor(results={"a.0": [1], "a.1": [0, 1]})
        again = {"until": "steps.a.result == 1", "max": 3}
        done = await actor.run(sequential("g", step("a"), repeat=again, for_each="[1, 2]", max_parallel=1))
        assert (done.success, actor.did) == (True, ["a.0", "a.1", "a.1"])

    async def test_a_condition_that_breaks(self) -> None:
        """The step fails."""
        done = await Actor().run(step("a", repeat={"until": "result.x.y", "max": 3}))
        assert done.steps["a"].status == "failed"


class TestTimeout:
    """A limit for a group as a whole."""

    async def test_what_runs_is_cancelled(self) -> None:
        """What had ended keeps its record; the group says that it took too long."""
        actor = Actor(hangs={"b"})
        done = await actor.run(sequential("g", step("a"), step("b"), step("c"), timeout="20ms"))
        assert statuses(done) == {"g": "failed", "a": "succeeded", "b": "cancelled", "c": "cancelled"}
        assert message(done.steps["g"]) == "timed out after 20ms"
        assert not done.cancelled

    async def test_per_try(self) -> None:
        """The next try has all its time again."""
        actor = Actor(hangs={"a"})
        done = await actor.run(sequential("g", step("a"), timeout="10ms", retry=AGAIN))
        assert (done.steps["g"].attempts, actor.did) == (3, ["a"] * 3)

    async def test_inside_another(self) -> None:
        """The outer one ends first, and everything inside with it."""
        actor = Actor(hangs={"a"})
        inner = sequential("h", step("a"), timeout="1h", for_each=[1, 2])
        done = await actor.run(sequential("g", inner, timeout="20ms"))
        assert items(done.steps["a"]) == ["cancelled", "cancelled"]
        assert statuses(done)["h"] == "cancelled"
        assert unfinished(done) == []


class TestOutputs:
    """What a group gives."""

    async def test_they_are_computed_after_its_steps(self) -> None:
        """From their records; later steps see them."""
        group = sequential("g", step("a"), outputs={"x": "{{ steps.a.result }}"})
        look = step("b", outputs={"y": "{{ steps.g.outputs.x }}"})
        done = await Actor(results={"a": 7}).run(group, look)
        assert done.steps["b"].outputs == {"y": 7}

    async def test_per_execution(self) -> None:
        """Each its own."""
        group = sequential("g", step("a"), outputs={"x": "{{ steps.a.result }}"}, for_each=[1, 2])
        done = await Actor(results={"a.0": "p", "a.1": "q"}).run(group)
        assert [item.outputs for item in done.steps["g"].items] == [{"x": "p"}, {"x": "q"}]

    async def test_that_cannot_be_computed_fail_the_group(self) -> None:
        """Its steps stay as they are."""
        done = await Actor().run(sequential("g", step("a"), outputs={"x": "{{ steps.a.outputs.none }}"}))
        assert statuses(done) == {"g": "failed", "a": "succeeded"}


class TestRace:
    """`wait_for` on a parallel group."""

    async def test_the_first_success_wins(self) -> None:
        """What runs is cancelled and waited for; the group succeeded, and so does the run."""
        actor = Actor(hangs={"b"})
        done = await actor.run(parallel("g", step("a"), step("b"), wait_for="any"), step("after"))
        assert statuses(done) == {
            "g": "succeeded",
            "a": "succeeded",
            "b": "cancelled",
            "after": "succeeded",
        }
        assert (done.success, done.cancelled) == (True, False)

    async def test_so_many(self) -> None:
        """Two of three."""
        actor = Actor(hangs={"c"})
        done = await actor.run(parallel("g", step("a"), step("b"), step("c"), wait_for=2))
        assert statuses(done) == {"g": "succeeded", "a": "succeeded", "b": "succeeded", "c": "cancelled"}

    async def test_it_is_lost_as_soon_as_it_cannot_be_won(self) -> None:
        """The rest is cancelled; the message says how many there were."""
        actor = Actor(hangs={"c"}, fails={"a": 1, "b": 1})
        done = await actor.run(parallel("g", step("a"), step("b"), step("c"), wait_for=2))
        assert (done.steps["g"].status, done.steps["c"].status) == ("failed", "cancelled")
        assert message(done.steps["g"]) == "0 of the 2 successes that wait_for asks for: a broke"
        assert not done.cancelled

    async def test_skipped_steps_are_no_winners(self) -> None:
        """It goes on without them."""
        actor = Actor()
        done = await actor.run(parallel("g", step("a", when="false"), step("b"), wait_for="any"))
        assert statuses(done) == {"g": "succeeded", "a": "skipped", "b": "succeeded"}

    @pytest.mark.parametrize("wait_for", ["any", 2])
    async def test_all_skipped(self, wait_for: str | int) -> None:
        """Nothing was to be done."""
        inner = [step(id, when="false") for id in "abc"]
        done = await Actor().run(parallel("g", *inner, wait_for=wait_for))
        assert statuses(done) == {"g": "succeeded", "a": "skipped", "b": "skipped", "c": "skipped"}

    async def test_a_whole_branch_is_a_racer(self) -> None:
        """It wins with its last step."""
        actor = Actor(hangs={"c"})
        slow = sequential("slow", step("c"), step("d"))
        done = await actor.run(parallel("g", sequential("fast", step("a"), step("b")), slow, wait_for="any"))
        assert statuses(done) == {
            "g": "succeeded",
            "fast": "succeeded",
            "a": "succeeded",
            "b": "succeeded",
            "slow": "cancelled",
            "c": "cancelled",
            "d": "cancelled",
        }

    async def test_a_race_per_item(self) -> None:
        """Each has a winner of its own."""
        actor = Actor(hangs={"a.0", "b.1"})
        done = await actor.run(parallel("g", step("a"), step("b"), wait_for="any", for_each=[1, 2]))
        assert items(done.steps["a"]) == ["cancelled", "succeeded"]
        assert items(done.steps["b"]) == ["succeeded", "cancelled"]
        assert done.success


class TestSwitch:
    """The case whose key is the text of the value."""

    @pytest.mark.parametrize(
        ("value", "taken"),
        [
            ("'web'", "a"),
            ("5", "b"),
            ("true", "c"),
            ("none", "d"),
            ("'other'", "e"),
            ("'true'", "c"),
        ],
    )
    @pytest.mark.parametrize("more", [{}, {"retry": AGAIN}])
    async def test_one_case_is_taken(self, value: str, taken: str, more: Spec) -> None:
        """The steps of the others are skipped, whether the group is a frame or runs its steps by itself."""
        cases = {"web": [step("a")], "5": [step("b")], "true": [step("c")], "null": [step("d")]}
        switch = {"id": "s", "type": "switch", "value": value, "cases": cases, "default": [step("e")]}
        done = await Actor().run({**switch, **more})
        ran = {id for id, status in statuses(done).items() if status == "succeeded"}
        assert ran == {"s", taken}
        assert set(statuses(done).values()) == {"succeeded", "skipped"}

    async def test_no_case_and_no_default(self) -> None:
        """Nothing is done, successfully."""
        switch = {"id": "s", "type": "switch", "value": "1", "cases": {"2": [step("a")]}}
        assert statuses(await Actor().run(switch)) == {"s": "succeeded", "a": "skipped"}

    async def test_a_value_that_cannot_be_had(self) -> None:
        """Its steps are blocked."""
        switch = {"id": "s", "type": "switch", "value": "nothing", "cases": {"2": [step("a")]}}
        assert statuses(await Actor().run(switch)) == {"s": "failed", "a": "blocked"}


class TestStop:
    """`stop` inside a group that runs its steps by itself ends the run."""

    async def test_what_comes_after_the_group_is_skipped(self) -> None:
        """Inside and outside of it; the run is a success."""
        actor = Actor(stops={"a"})
        done = await actor.run(sequential("g", step("a"), step("b"), retry=AGAIN), step("c"))
        assert statuses(done) == {"g": "succeeded", "a": "succeeded", "b": "skipped", "c": "skipped"}
        assert done.success

    async def test_however_deep(self) -> None:
        """Through a group in a group."""
        actor = Actor(stops={"a"})
        inner = sequential("h", step("a"), for_each=[1])
        done = await actor.run(sequential("g", inner, step("b"), timeout="1h"), step("c"))
        assert statuses(done) == {
            "g": "succeeded",
            "h": "succeeded",
            "a": "succeeded",
            "b": "skipped",
            "c": "skipped",
        }

    async def test_it_ends_the_rounds(self) -> None:
        """No further one."""
        actor = Actor(stops={"a"})
        done = await actor.run(step("a", repeat={"until": "false", "max": 5}), step("b"))
        assert (statuses(done), actor.did) == ({"a": "succeeded", "b": "skipped"}, ["a"])


class TestLeftOut:
    """What becomes of the steps of a group that never ran."""

    @pytest.mark.parametrize(
        ("group", "inner"),
        [({"enabled": False}, "skipped"), ({"when": "false"}, "skipped"), ({"when": "nothing"}, "blocked")],
    )
    async def test_they_share_its_fate(self, group: Spec, inner: str) -> None:
        """Handlers were not needed."""
        handled = step("a", on_error={"steps": [step("handler")]}, rollback=[step("undo")])
        done = await Actor().run(sequential("g", handled, retry=AGAIN, **group))
        assert [done.steps[id].status for id in ("a", "handler", "undo")] == [inner, "skipped", "skipped"]

    async def test_blocked(self) -> None:
        """They name the group."""
        handled = step("a", on_error={"steps": [step("handler")]})
        done = await Actor(fails={"x": 1}).run(step("x"), sequential("g", handled, retry=AGAIN))
        assert statuses(done) == {"x": "failed", "g": "blocked", "a": "blocked", "handler": "skipped"}
        assert message(done.steps["a"]) == "blocked because g was blocked"

    async def test_cancelled(self) -> None:
        """Those that ran and those that did not."""
        actor = Actor(hangs={"a"})
        group = sequential("g", step("a"), step("b"), for_each=[1, 2], max_parallel=1)
        run = actor.playing(workflow(group, sequential("h", step("c"), retry=AGAIN)))
        task = asyncio.create_task(run.run())
        await actor.reached("a.0")
        run.cancel()
        done = await task
        assert set(statuses(done).values()) == {"cancelled"}
        assert items(done.steps["b"]) == ["cancelled", "cancelled"]
        assert unfinished(done) == []


async def test_a_group_that_fails_after_a_stop_is_not_tried_again() -> None:
    """The run was to end: nothing more starts, and the failure still counts."""
    group = parallel("g", {"id": "s", "type": "stop"}, step("a"), retry={"attempts": 3, "delay": 0})
    actor = Actor(fails={"a": 1})
    done = await actor.run(group, step("b", run_if="finished"))
    assert statuses(done) == {"g": "failed", "s": "succeeded", "a": "failed", "b": "skipped"}
    assert done.steps["g"].attempts == 1
    assert not done.success
