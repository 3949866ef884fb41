"""The driver against the naive model: each execution begins the moment that its own conditions are met."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from codegen.groups import ELSE, THEN
from codegen.result import FINAL
from codegen.schedule import Node
from steps.driver import Driver
from steps.errors import StepFailed
from steps.frame import Frame
from steps.scope import Outcome, Scope, Surroundings
from steps.work import Work, blank
from tests.unit.conductor_model import Case, Model, cases

# The event loop goes round so often before all that can happen without another step's end has happened.
ROUNDS = 25


@dataclass
class Stage:
    """Leaf steps that end when the test says so, and in the way that it says."""

    case: Case
    rng: random.Random
    waiting: dict[tuple[str, int | None], asyncio.Future[str]] = field(default_factory=dict)
    begun: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        leaves = [node.id for node in self.case.nodes if not node.is_group]
        self.width = {id: self.rng.choice((None, None, 1, 2, 4)) for id in leaves}
        self.limit = {id: self.rng.choice((None, 1, 2)) if self.width[id] else None for id in leaves}

    async def perform(self, scope: Scope) -> Outcome:
        """One execution."""
        me = (scope.step, scope.index)
        self.begun[me] += 1
        self.waiting[me] = asyncio.get_running_loop().create_future()
        how = await self.waiting[me]
        if how == "failed":
            raise StepFailed("as it should")
        if how == "cancelled":
            raise asyncio.CancelledError
        return Outcome()

    def end_one(self) -> None:
        """One of the executions in progress ends."""
        me = self.rng.choice(sorted(self.waiting, key=str))
        self.ended[me[0]] += 1
        self.waiting.pop(me).set_result(self.case.decisions[me[0]])

    def turns(self) -> set[str]:
        """The steps that have had their turn: all that take no time, and those whose executions ended."""
        return {
            node.id
            for node in self.case.nodes
            if node.is_group
            or self.case.decisions[node.id] == "skipped"
            or self.ended[node.id] == (self.width[node.id] or 1)
        }

    def in_progress(self, id: str) -> int:
        """How many executions of a step that has been started must be in progress."""
        left = (self.width[id] or 1) - self.ended[id]
        return min(left, self.limit[id] or left)

    def work(self, node: Node) -> Work:
        """What there is to do for a step."""
        decision = self.case.decisions[node.id]
        if node.is_group:
            when = {"skipped": "false", "failed": "nothing"}.get(decision)
            branch = {"open then": THEN, "open else": ELSE}.get(decision)
            return Work(node=node, when=when, branch=(lambda scope: branch) if branch else None)
        width, when = self.width[node.id], "false" if decision == "skipped" else None
        items = None if width is None else list(range(width))
        return Work(
            node=node, when=when, for_each=items, max_parallel=self.limit[node.id], perform=self.perform
        )


def no_lost_steps(case: Case) -> Case:
    """A driver never says that a step is lost."""
    return replace(
        case, decisions={id: "failed" if how == "lost" else how for id, how in case.decisions.items()}
    )


async def calm() -> None:
    """All that can happen by itself happens."""
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


async def play(case: Case, rng: random.Random) -> None:
    """From the first step to the last, comparing after each end of an execution."""
    stage = Stage(case, rng)
    works = [stage.work(node) for node in case.nodes]
    surroundings = Surroundings(run_id="r", name="n", steps=blank(works))
    run = asyncio.create_task(Driver(works, Frame(surroundings)).run())
    while True:
        await calm()
        model = Model(case, stage.turns())
        expected = {id: stage.in_progress(id) for id, state in model.states.items() if state == "ready"}
        assert Counter(step for step, _ in stage.waiting) == expected
        seen = {id: record.status for id, record in surroundings.steps.items()}
        assert seen == {id: _as_recorded(state) for id, state in model.states.items()}
        if not stage.waiting:
            break
        stage.end_one()
    assert await run == model.verdict([node for node in case.nodes if node.parent is None])
    assert set(stage.begun.values()) <= {1}
    assert {record.status for record in surroundings.steps.values()} <= FINAL


def _as_recorded(state: str) -> str:
    return "running" if state in ("ready", "opened") else state


@given(cases().map(no_lost_steps), st.randoms(use_true_random=False))
async def test_executions_begin_exactly_when_they_may(case: Case, rng: random.Random) -> None:
    """Never earlier, never later because of a stranger, never twice, within `max_parallel`; all end."""
    await play(case, rng)


@given(cases().map(no_lost_steps), st.randoms(use_true_random=False), st.integers(0, 20))
async def test_after_a_cancel_all_steps_end(case: Case, rng: random.Random, ends: int) -> None:
    """At whatever moment; nothing more begins, and what had ended stays as it was."""
    stage = Stage(case, rng)
    works = [stage.work(node) for node in case.nodes]
    surroundings = Surroundings(run_id="r", name="n", steps=blank(works))
    driver = Driver(works, Frame(surroundings))
    run = asyncio.create_task(driver.run())
    for _ in range(ends):
        await calm()
        if stage.waiting:
            stage.end_one()
    before = dict(surroundings.steps)
    begun = Counter(stage.begun)
    driver.cancel()
    await run
    assert stage.begun == begun
    for id, record in surroundings.steps.items():
        assert record.status in FINAL
        assert before[id].status not in FINAL or record == before[id]


RACERS = st.lists(st.sampled_from(["succeeded", "succeeded", "failed", "skipped"]), min_size=1, max_size=6)


@given(RACERS, st.integers(1, 4), st.randoms(use_true_random=False))
async def test_a_race_is_over_the_moment_it_is_decided(
    ends: list[str], enough: int, rng: random.Random
) -> None:
    """Won with so many successes; lost when so many can't be had any more because steps failed."""
    nodes = tuple(Node(f"s{index}") for index in range(len(ends)))
    case = Case(nodes, {node.id: end for node, end in zip(nodes, ends, strict=True)})
    stage = Stage(case, rng)
    works = [stage.work(node) for node in nodes]
    surroundings = Surroundings(run_id="r", name="n", steps=blank(works))
    run = asyncio.create_task(Driver(works, Frame(surroundings), enough).run())
    while True:
        await calm()
        over = [record.status for record in surroundings.steps.values() if record.status in FINAL]
        if run.done():
            break
        assert not _decided(over, len(nodes), enough)
        stage.end_one()
    assert {record.status for record in surroundings.steps.values()} <= FINAL
    assert "cancelled" not in over or _decided(over, len(nodes), enough)
    won = over.count("succeeded") >= enough or "failed" not in over
    assert await run == ("succeeded" if won else "failed")


def _decided(over: Sequence[str], steps: int, enough: int) -> bool:
    """Whether the race is won, or lost because of steps that failed."""
    succeeded = over.count("succeeded")
    left = steps - succeeded - over.count("failed") - over.count("skipped")
    return succeeded >= enough or ("failed" in over and succeeded + left < enough)
