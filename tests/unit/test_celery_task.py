"""What `celery_task` asks of Celery, and what it makes of the answers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from codegen.document import load, parse, warnings
from codegen.errors import DocumentError
from codegen.result import StepRecord
from steps import celery_task
from steps.entries import Entry
from steps.errors import StepFailed, TaskLost
from steps.interpreter import interpret
from steps.journal import Journal
from steps.scope import Scope, Surroundings
from steps.secret_values import FromMapping, Secrets
from steps.task_service import Call, Ended, Raised, Revoked, Tell

Behaviour = Callable[[Call], Ended]


def adds(call: Call) -> Ended:
    """A task that adds its arguments."""
    return Ended("SUCCESS", sum(call.args), "celery@a")


class Celery:
    """Tasks in memory; `behaviour` does them, and those named wait for ever."""

    def __init__(self, behaviour: Behaviour = adds, *, waits: str = "", confirms: bool = True) -> None:
        self.calls: list[Call] = []
        self.revoked: list[Call] = []
        self.began = asyncio.Event()
        self._behaviour = behaviour
        self._waits = waits
        self._confirms = confirms

    async def run(self, call: Call, tell: Tell) -> Ended:
        self.calls.append(call)
        await asyncio.sleep(0)
        if call.task == self._waits:
            self.began.set()
            await asyncio.Event().wait()
        return self._behaviour(call)

    async def revoke(self, call: Call) -> Revoked:
        self.revoked.append(call)
        await asyncio.sleep(0)
        if self._confirms:
            return Revoked(f"{call.task} is revoked: a confirmed it", confirmed=True)
        return Revoked(f"{call.task} is revoked: a can't end it", confirmed=False)


class Kept:
    """Where a journal goes that others will read."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)

    async def secure(self, entry: Entry) -> None:
        self.add(entry)

    async def held(self) -> None:
        pass


def scope(service: Celery | None, **more: Any) -> Scope:
    return Scope(Surroundings(run_id="r", name="n", celery=service, **more), "a")


def step(**keys: Any) -> dict[str, Any]:
    return {"id": "a", "type": "celery_task", **keys}


async def record_of(service: Celery, **keys: Any) -> StepRecord:
    report = await interpret(parse({"name": "n", "steps": [step(**keys)]}), run_id="r", celery=service).run()
    return report.steps["a"]


def ids(service: Celery) -> list[str]:
    return [call.id for call in service.calls]


async def test_what_a_call_holds() -> None:
    """Templates are filled in, and what they gave stays what it is."""
    service = Celery(lambda call: Ended("SUCCESS", {"ok": True}))
    here = scope(service, params={"n": 2, "to": "eu"})
    outcome = await celery_task(
        here, "shop.add", args=["{{ params.n }}"], kwargs={"x": ["{{ name }}"]}, queue="{{ params.to }}",
        broker="shop", timeout=9,
    )  # fmt: skip
    (call,) = service.calls
    assert (call.task, call.args, call.kwargs) == ("shop.add", [2], {"x": ["n"]})
    assert (call.queue, call.broker, call.expires, call.ignore_result) == ("eu", "shop", 9, False)
    assert outcome.outputs == {}
    assert outcome.result == {
        "value": {"ok": True},
        "task": "shop.add",
        "task_id": call.id,
        "state": "SUCCESS",
        "worker": None,
    }


async def test_results_are_handed_on_as_in_celerys_canvas() -> None:
    """Before the arguments of the next task, unless that is immutable; a body gets all of its header."""
    service = Celery(lambda call: Ended("SUCCESS", f"{call.task}{call.args}".replace("'", "")))
    group = {"group": [{"task": "b", "args": [2]}, {"task": "c", "immutable": True}]}
    chord = {"chord": {"header": [{"task": "d"}], "body": {"chain": [{"task": "e"}, {"task": "f"}]}}}
    outcome = await celery_task(scope(service), chain=[{"task": "a", "args": [1]}, group, chord])
    assert outcome.outputs["tasks"][:3] == ["a[1]", "b[a[1], 2]", "c[]"]
    assert outcome.outputs["tasks"][3] == "d[[b[a[1], 2], c[]]]"
    assert outcome.result["value"] == "f[e[[d[[b[a[1], 2], c[]]]]]]"
    assert [entry["task"] for entry in outcome.result["tasks"]] == [*"abcdef"]


async def test_a_task_names_the_one_before_it() -> None:
    """Monitors draw that."""
    service = Celery()
    await celery_task(scope(service), chain=[{"task": "a"}, {"task": "b"}])
    first, second = service.calls
    assert (first.parent, second.parent) == (None, first.id)


async def test_the_tasks_of_a_group_run_side_by_side() -> None:
    """And all to their ends, though one fails."""

    def pays(call: Call) -> Ended:
        if call.args[0] < 0:
            return Ended("FAILURE", error=Raised("ValueError", "no"))
        return Ended("SUCCESS", call.args[0])

    service = Celery(pays)
    group = [{"task": "pay", "args": [amount]} for amount in (1, -2, 3)]
    with pytest.raises(StepFailed, match="pay: ValueError: no") as failed:
        await celery_task(scope(service), group=group)
    assert [task["value"] for task in failed.value.result["tasks"]] == [1, None, 3]


async def test_a_failure_tells_no_secrets() -> None:
    """Nor where its traceback is cut."""
    secrets = Secrets(FromMapping({"token": "hunter2-hunter2"}))
    await secrets.values(["token"])
    trace = "x" * 100 + "hunter2-hunter2" + "y" * 3_990
    service = Celery(lambda call: Ended("FAILURE", error=Raised("E", "with hunter2-hunter2", trace)))
    with pytest.raises(StepFailed) as failed:
        await celery_task(scope(service, secrets=secrets), "a")
    assert failed.value.message == "a: E: with ***"
    assert "hunter2" not in str(failed.value.result)
    assert len(failed.value.result["error"]["traceback"]) <= 4_100


async def test_a_result_that_is_no_json() -> None:
    """It can't be handed on."""
    with pytest.raises(StepFailed, match="what a returned is no JSON data but object"):
        await celery_task(scope(Celery(lambda call: Ended("SUCCESS", object()))), "a")


async def test_where_there_is_no_celery() -> None:
    """The step fails and says where it can run."""
    with pytest.raises(StepFailed, match="on Celery and in Prefect only"):
        await celery_task(scope(None), "a")


async def test_a_timeout_says_what_became_of_the_task() -> None:
    """After the time."""
    service = Celery(waits="b")
    chain = [{"task": "a"}, {"task": "b"}, {"task": "c"}]
    record = await record_of(service, chain=chain, timeout=0.05)
    assert record.error is not None
    assert record.error.message == "timed out after 50ms; b is revoked: a confirmed it"
    assert [call.task for call in service.revoked] == ["b"]
    assert [task["state"] for task in record.result["tasks"]] == ["SUCCESS", "PENDING", None]


async def test_a_task_of_which_nobody_knows_anything_makes_the_step_lost() -> None:
    """Tries and handlers that would do it again do not come; the message says how it is sent anew."""

    def nowhere(call: Call) -> Ended:
        raise TaskLost(f"{call.task} is nowhere")

    service = Celery(nowhere)
    record = await record_of(service, task="pay", retry={"attempts": 3})
    assert record.status == "lost"
    assert record.error is not None
    assert record.error.message == (
        "pay is nowhere. Find out; then `opsconductor retry r --from a` sends it anew"
    )
    assert len(service.calls) == 1


@pytest.mark.parametrize("abandoned", [False, True])
async def test_a_cancellation_revokes_unless_another_process_goes_on(abandoned: bool) -> None:
    """The task that another process follows must not be ended by the one that leaves."""
    service, journal = Celery(waits="a"), Journal("r")
    run = interpret(
        parse({"name": "n", "steps": [step(task="a")]}), run_id="r", celery=service, journal=journal
    )
    running = asyncio.create_task(run.run())
    await service.began.wait()
    if abandoned:
        journal.abandon()
    run.cancel()
    if abandoned:
        with pytest.raises(asyncio.CancelledError):
            await running
    else:
        error = (await running).steps["a"].error
        assert error is not None
        assert error.message == "cancelled: a is revoked: a confirmed it"
    assert len(service.revoked) == (0 if abandoned else 1)


async def lived(
    service: Celery, entries: list[Entry], *steps: dict[str, Any], attempt: int = 1
) -> list[Entry]:
    """One life of a run whose journal is kept; what is in it then."""
    store = Kept()
    journal = Journal("r", store, entries, attempt=attempt)
    workflow = parse({"name": "n", "steps": [*steps]})
    await interpret(workflow, run_id="r", celery=service, journal=journal).run()
    return [*entries, *store.entries]


def fails(call: Call) -> Ended:
    return Ended("FAILURE", error=Raised("E", "no"))


ROUNDS = {"id": "g", "type": "sequential", "repeat": {"until": "false", "max": 2}}


@pytest.mark.parametrize(
    "one",
    [
        step(task="a", retry={"attempts": 3, "delay": 0}),
        {**ROUNDS, "steps": [step(task="a", retry={"attempts": 2, "delay": 0}, continue_on_error=True)]},
        step(group=[{"task": "a"}, {"task": "a"}], for_each=[1, 2]),
    ],
    ids=["tries", "rounds", "executions"],
)
async def test_no_two_calls_of_a_run_have_the_same_id(one: dict[str, Any]) -> None:
    """And every other life of it would give them the same ones."""
    first, second = Celery(fails), Celery(fails)
    await lived(first, [], one)
    await lived(second, [], one)
    assert len(set(ids(first))) == len(ids(first)) >= 3
    assert ids(first) == ids(second)


async def test_another_life_goes_on_with_the_id_of_the_call_under_way() -> None:
    """Of the second round, where the end of the first is in the journal."""
    one = {**ROUNDS, "steps": [step(task="a")]}
    first, second = Celery(), Celery()
    entries = await lived(first, [], one)
    ends = [place for place, entry in enumerate(entries) if entry.kind == "tried"]
    await lived(second, entries[: ends[1]], one)
    assert ids(second) == ids(first)[1:]


async def test_another_try_of_the_run_sends_anew() -> None:
    """What failed before is not taken for what comes now."""
    first, second = Celery(fails), Celery()
    entries = await lived(first, [], step(task="a"))
    await lived(second, [*entries, Entry("over")], step(task="a"), attempt=2)
    assert len(second.calls) == 1
    assert ids(first) != ids(second)


async def test_where_nothing_is_kept_each_life_sends_anew() -> None:
    """An end of before may be the failure that the run is tried again for."""
    first, second = Celery(), Celery()
    await record_of(first, task="a")
    await record_of(second, task="a")
    assert ids(first) != ids(second)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("args: [1]", "steps[0]: it names no task (write task, chain, group or chord)"),
        ("task: a, chain: [{task: b}]", "steps[0].chain: task and chain exclude each other (keep one)"),
        ("chain: [{task: b, group: [{task: c}]}]", "steps[0].chain[0].group: task and group exclude each"),
        ("group: [{task: a}], queue: q", "steps[0].queue: a group has no queue of its own"),
        ("chain: [{task: a}], ignore_result: true", "steps[0].ignore_result: a chain has no ignore_result"),
        ("chain: [{tsk: b}]", 'steps[0].chain[0].tsk: unknown key "tsk" (did you mean "task"?)'),
        ("chain: [x]", 'expected a mapping, got "x" (a task is a mapping such as'),
        ("chord: {header: [{task: a}]}", 'steps[0].chord.body: "body" is missing'),
        ('task: "a {{ name }}"', "names no task (write its name as its app knows it"),
        ("task: a, broker: My_Block", 'steps[0].broker: "My_Block" names no block'),
        ('group: [{task: a, args: ["{{ nope }}"]}]', 'steps[0].group[0].args[0]: unknown name "nope"'),
        ('task: a, args: ["{{ secrets.x }}"]', "steps[0].args[0]: secrets can't be used here"),
    ],
)
def test_what_is_wrong_in_a_document_is_said_with_its_place(keys: str, line: str) -> None:
    """With line and column."""
    with pytest.raises(DocumentError) as refused:
        load(f"name: n\nsteps:\n  - {{id: a, type: celery_task, {keys}}}\n")
    assert "document:3:" in str(refused.value)
    assert line in str(refused.value)


def test_a_step_without_a_timeout_is_doubtful() -> None:
    """Nobody else ends its wait."""
    document = {"name": "n", "steps": [step(task="a")]}
    assert [problem.cure for problem in warnings(parse(document))] == ["add a timeout"]
    document["steps"] = [step(task="a", timeout=5)]
    assert warnings(parse(document)) == ()


async def test_what_a_task_returns_is_never_read_as_a_template() -> None:
    """Neither handed on nor in outputs."""
    service = Celery(lambda call: Ended("SUCCESS", "{{ 7 * 7 }}"))
    chain = [{"task": "a"}, {"task": "b", "args": ["{{ 1 + 1 }}"]}]
    record = await record_of(service, chain=chain, outputs={"said": "{{ result.value }}"})
    assert service.calls[1].args == ["{{ 7 * 7 }}", 2]
    assert record.outputs["said"] == "{{ 7 * 7 }}"
