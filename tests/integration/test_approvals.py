"""Approvals with a real Prefect server: asked and answered as people do, in its UI or on the command line."""

import asyncio
import contextvars
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from prefect import get_client
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun, State
from prefect.settings import get_current_settings
from prefect.states import Cancelling

from codegen.result import RunResult
from control.client import PrefectClient
from control.errors import AnswerRefused, NoSuchQuestion
from control.questions import OpenQuestion, open_questions
from control.run_tree import family
from flows.approvals import Desk
from flows.question_runs import known_run, run_of_question
from flows.router import route_workflow
from flows.session import Session, listening
from rehearsal.server import temporary_server
from steps.entries import Entry
from steps.events import ignore
from steps.journal import Journal
from steps.questions import Question
from steps.scope import Scope, Surroundings
from tests.unit.waiting import wait_until

ROOT = Path(__file__).parents[2]
PATIENCE = 180.0
T = TypeVar("T")

pytestmark = [
    pytest.mark.timeout(600),
    # Prefect's clients leave sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    """One Prefect server for all tests."""
    with temporary_server():
        yield


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Starter"]:
    """Starts runs; one that still waits when the test is over is cancelled."""
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path / "home"))
    with ThreadPoolExecutor(2) as pool:
        starter = Starter(pool)
        try:
            yield starter
        finally:
            for run in starter.runs:
                run.session.cancel()


class Starter:
    """Starts runs of documents."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.runs: list[Run] = []

    def __call__(self, *steps: dict[str, Any], **more: Any) -> "Run":
        document = {"name": f"Release {uuid4()}", "steps": list(steps), **more}
        sessions: list[Session] = []

        def begin() -> State[Any]:
            with listening(ignore, sessions.append):
                return asyncio.run(_routed(document))

        ending = self._pool.submit(contextvars.copy_context().run, begin)
        until(lambda: bool(sessions) or ending.done(), "the run")
        self.runs.append(Run(sessions[0], ending))
        return self.runs[-1]


class Run:
    """A run of the router in a thread of its own."""

    def __init__(self, session: Session, ending: Future[State[Any]]) -> None:
        self.session = session
        self.ending = ending
        self.id = session.run_id

    def questions(self) -> list[OpenQuestion]:
        """What it waits for."""

        async def read() -> list[OpenQuestion]:
            async with get_client() as api:
                return open_questions(await family(api, await api.read_flow_run(UUID(self.id))))

        return asyncio.run(read())

    def until_it_asks(self, *steps: str) -> list[OpenQuestion]:
        """The questions once they are these."""
        until(lambda: sorted(one.about for one in self.questions()) == sorted(steps), f"questions {steps}")
        return sorted(self.questions(), key=lambda one: one.about)

    def answered(self, step: str | None, approve: bool, by: str = "ann", comment: str = "") -> None:
        """Answer as the command line does."""

        async def answer() -> None:
            async with PrefectClient() as client:
                await client.answer(self.id, step, approve=approve, by=by, comment=comment)

        asyncio.run(answer())

    def ended(self) -> RunResult:
        """Its result."""
        state = self.ending.result(PATIENCE)
        result = asyncio.run(_outcome(state))
        assert isinstance(result, RunResult), result
        return result


async def _routed(document: dict[str, Any]) -> State[Any]:
    state: State[Any] = await route_workflow(document, {}, return_state=True)
    return state


async def _outcome(state: State[Any]) -> Any:
    return await state.aresult(raise_on_failure=False)


def until(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.1)


def done(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Ask the server for something."""

    async def ask() -> T:
        async with get_client() as api:
            return await work(api)

    return asyncio.run(ask())


def flow_run(id: str) -> FlowRun:
    """A flow run as the server has it."""
    return FlowRun.model_validate(done(lambda api: api.read_flow_run(UUID(id))))


def asks(id: str = "ask", **more: Any) -> dict[str, Any]:
    """A step that asks."""
    return {"id": id, "type": "approval", "message": "Release {{ name }}?", **more}


def writes(id: str, file: Path, **more: Any) -> dict[str, Any]:
    """A step that leaves a trace."""
    return {"id": id, "type": "command", "command": f"echo {id} >> {file}", **more}


def test_a_yes_given_as_the_form_does(start: Starter, tmp_path: Path) -> None:
    """The question's run is paused, has the form and the message, and lies below the run that asks."""
    run = start(asks(), writes("after", tmp_path / "log"))
    (question,) = run.until_it_asks("ask")
    paused = flow_run(question.id)
    assert paused.state is not None
    assert paused.state.is_paused()
    keys = paused.state.state_details.run_input_keyset
    assert keys is not None
    form, about = (
        done(lambda api, key=keys[key]: api.read_flow_run_input(paused.id, key))  # type: ignore[misc]
        for key in ("schema", "description")
    )
    assert json.loads(form)["required"] == ["approve", "by"]
    assert paused.state.message is not None
    assert paused.state.message.startswith("Release Release")
    assert json.loads(about).startswith(paused.state.message)
    body = {"run_input": {"approve": "yes", "by": "ann", "comment": "go"}}
    done(lambda api: api.request("POST", f"/flow_runs/{question.id}/resume", json=body))
    result = run.ended()
    answer = result.steps["ask"].result
    assert result.success
    assert (answer["approved"], answer["by"], answer["comment"]) == (True, "ann", "go")
    assert answer["at"]
    last = flow_run(question.id)
    assert (last.state_name, last.state.message if last.state else "") == ("Approved", "Approved by ann: go")
    assert (tmp_path / "log").read_text() == "after\n"


def test_the_log_of_the_run_says_where_to_answer(start: Starter) -> None:
    """With the UI's address and the command."""
    run = start(asks())
    (question,) = run.until_it_asks("ask")

    async def lines() -> Sequence[str]:
        async with get_client() as api:
            wanted = by.LogFilter(flow_run_id=by.LogFilterFlowRunId(any_=[UUID(run.id)]))
            return [log.message for log in await api.read_logs(wanted)]

    until(lambda: any(question.id in line for line in asyncio.run(lines())), "the line")
    line = next(line for line in asyncio.run(lines()) if question.id in line)
    assert f"opsconductor approve {run.id} ask" in line


def test_a_no_fails_the_step(start: Starter, tmp_path: Path) -> None:
    """With who and why; nothing after it starts."""
    run = start(asks(), writes("after", tmp_path / "log"))
    (question,) = run.until_it_asks("ask")
    run.answered(None, False, "bob", "not today")
    result = run.ended()
    assert result.error_message == "step 'ask' failed: denied by bob: not today"
    assert not (tmp_path / "log").exists()
    assert flow_run(question.id).state_name == "Denied"


def test_several_questions_beside_a_step_that_runs(start: Starter, tmp_path: Path) -> None:
    """Each is answered by itself, in any order; what runs beside them goes on."""
    log = tmp_path / "log"
    run = start(
        asks("one", depends_on=[]),
        asks("two", depends_on=[], approvers=["ann", "bob"]),
        writes("beside", log, depends_on=[]),
        writes("then", log, depends_on=["beside"]),
        writes("last", log, depends_on=["one", "two"]),
    )
    run.until_it_asks("one", "two")
    until(lambda: log.exists() and log.read_text() == "beside\nthen\n", "what runs beside them")
    with pytest.raises(NoSuchQuestion, match="'one'"):
        run.answered(None, True)
    with pytest.raises(NoSuchQuestion, match="'three'"):
        run.answered("three", True)
    with pytest.raises(AnswerRefused, match="ann"):
        run.answered("two", True, "eve")
    run.answered("two", True, "bob")
    run.until_it_asks("one")
    run.answered("one", True)
    assert run.ended().success
    assert log.read_text() == "beside\nthen\nlast\n"


def test_nobody_answers_in_time(start: Starter) -> None:
    """The step fails, or goes on where the document says so; Prefect takes no answer afterwards."""
    run = start(
        asks("strict", timeout=1.5, depends_on=[]),
        asks("lax", timeout=1, on_timeout="approve", depends_on=[]),
    )
    result = run.ended()
    assert result.error_message == "step 'strict' failed: nobody answered within 1.5s"
    assert result.steps["lax"].status == "succeeded"
    assert result.steps["lax"].result["by"] is None
    assert run.questions() == []


def test_a_run_that_waits_is_cancelled(start: Starter, tmp_path: Path) -> None:
    """Its always-steps run, and its question is withdrawn."""
    run = start(asks(), **{"finally": [writes("end", tmp_path / "log")]})
    (question,) = run.until_it_asks("ask")
    done(lambda api: api.set_flow_run_state(UUID(run.id), Cancelling()))
    assert run.ended().cancelled
    assert (tmp_path / "log").read_text() == "end\n"
    assert flow_run(question.id).state_name == "Withdrawn"


@pytest.mark.parametrize(("approve", "word"), [(True, "Approved"), (False, "Denied")])
def test_an_answer_is_kept_although_the_run_is_cancelled(
    start: Starter, monkeypatch: pytest.MonkeyPatch, approve: bool, word: str
) -> None:
    """Whoever answered was told that it is recorded: it is, in Prefect, the log and the step's record."""
    monkeypatch.setattr("flows.question_runs.FIRST_LOOK", 10 * PATIENCE)  # the run does not see it before
    run = start(asks())
    (question,) = run.until_it_asks("ask")
    run.answered(None, approve, "ann", "go")
    run.session.cancel()
    result = run.ended()
    assert result.cancelled
    assert flow_run(question.id).state_name == word
    error = result.steps["ask"].error
    assert error is not None
    assert error.message == f"cancelled after the answer: {word} by ann: go"
    assert f"{word} by ann: go; but the run was being cancelled" in [line.text for line in result.logs]


def test_a_question_that_is_cancelled_fails_its_step(start: Starter) -> None:
    """It is not the run that somebody cancelled."""
    run = start(asks())
    (question,) = run.until_it_asks("ask")
    done(lambda api: api.set_flow_run_state(UUID(question.id), Cancelling()))
    assert run.ended().error_message == "step 'ask' failed: the question was cancelled in Prefect"


def test_a_step_is_asked_for_once(start: Starter, tmp_path: Path) -> None:
    """Not for each of its targets; before the answer none has started."""
    log = tmp_path / "log"
    run = start(
        writes("work", log, on="targets", requires_approval=True), targets=["a.localhost", "b.localhost"]
    )
    run.until_it_asks("work")
    assert not log.exists()
    run.answered("work", True)
    assert run.ended().success
    assert log.read_text() == "work\nwork\n"


def test_a_document_is_asked_for_before_it_begins(start: Starter, tmp_path: Path) -> None:
    """Denied, nothing of it starts; cancelled, neither."""
    work, end = writes("work", tmp_path / "log"), writes("end", tmp_path / "log")
    runs = [start(work, requires_approval=True, **{"finally": [end]}) for _ in range(2)]
    for run in runs:
        run.until_it_asks("start")
    runs[0].answered(None, False, "ann", "no")
    done(lambda api: api.set_flow_run_state(UUID(runs[1].id), Cancelling()))
    results = [run.ended() for run in runs]
    assert results[0].error_message == "it was not to start: denied by ann: no"
    assert results[1].cancelled
    assert not (tmp_path / "log").exists()


async def test_many_questions_are_put_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Side by side they would be in each other's way on SQLite; they are open side by side all the same."""
    run_id, put, together = str(uuid4()), 0, []

    async def counted(*about: Any) -> FlowRun:
        nonlocal put
        put += 1
        together.append(put)
        run = await run_of_question(*about)
        put -= 1
        return run

    monkeypatch.setattr("flows.approvals.run_of_question", counted)
    desk, keys = Desk(run_id), [f"{run_id}.{number}" for number in range(8)]
    scope = Scope(Surroundings(run_id, "Release"), "ask")
    asking = [asyncio.create_task(desk.ask(Question(key, key, "Go?", (), 600.0), scope)) for key in keys]
    await wait_until(lambda: len(desk.open) == len(keys))
    assert together == [1] * len(keys)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


class Lives:
    """The lives of one run, each with a desk of its own, and with its one question."""

    def __init__(self) -> None:
        self.run_id = str(uuid4())

    def desk(self, attempt: int = 1, *, is_new: bool = False) -> tuple[Desk, Question, Scope]:
        entries = [] if is_new else [Entry("start", attempt=attempt)]
        journal = Journal(self.run_id, None, entries, attempt=attempt)
        scope = Scope(Surroundings(self.run_id, "Release", journal=journal), "ask")
        return Desk(self.run_id), Question(scope.turn, self.run_id, "Go?", (), 60.0), scope

    async def asked(self, answer: bool | None, attempt: int = 1, *, is_new: bool = False) -> bool:
        """What the question brings; None: nobody answers now."""
        desk, question, scope = self.desk(attempt, is_new=is_new)
        asking = asyncio.create_task(desk.ask(question, scope))
        if answer is not None:
            await _answered(question.about, answer)
        found = await asking
        assert found is not None
        return found.approved


async def test_a_yes_is_not_asked_for_again() -> None:
    """Neither in a process that takes over the run, nor in another try of it."""
    lives = Lives()
    assert await lives.asked(True, is_new=True)
    assert await lives.asked(None)
    assert await lives.asked(None, attempt=2)


async def test_a_no_holds_for_its_own_try() -> None:
    """A process that takes over the run finds it; in another try it is asked again."""
    lives = Lives()
    assert not await lives.asked(False, is_new=True)
    assert not await lives.asked(None)
    assert await lives.asked(True, attempt=2)


@pytest.mark.parametrize("when", ["while Prefect makes it", "while it waits"])
async def test_a_question_whose_step_is_cancelled_is_withdrawn(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Also one that Prefect makes just then. A process that takes over the run asks it anew."""
    lives, made = Lives(), asyncio.Event()

    async def slowly(*arguments: Any) -> FlowRun:
        run = await run_of_question(*arguments)
        made.set()
        await asyncio.sleep(0.2)
        return run

    monkeypatch.setattr("flows.approvals.run_of_question", slowly)
    desk, question, scope = lives.desk(is_new=True)
    asking = asyncio.create_task(desk.ask(question, scope))
    await made.wait()
    if when == "while it waits":
        await asyncio.to_thread(until, lambda: bool(desk.open), "the question")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with get_client() as api:
        found = await known_run(api, f"{question.key}.1")
    assert found is not None
    assert found.state_name == "Withdrawn"
    assert await lives.asked(True)


async def _answered(about: str, approve: bool) -> None:
    """Answer this question as soon as it is there."""
    async with PrefectClient() as client, get_client() as api:
        while True:
            wanted = by.FlowRunFilter(tags=by.FlowRunFilterTags(all_=["approval"]))
            runs = await api.read_flow_runs(flow_run_filter=wanted)
            found = [one for one in open_questions(runs) if one.about == about]
            if found:
                await client.answer(found[0].id, None, approve=approve, by="ann")
                return
            await asyncio.sleep(0.1)


def test_the_command_line_answers(start: Starter) -> None:
    """With the system's user, a comment, and the exit codes of all commands."""

    def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            env=os.environ | {"PREFECT_API_URL": str(get_current_settings().api.url)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    run = start(asks("one", depends_on=[]), asks("two", depends_on=[]))
    run.until_it_asks("one", "two")
    unclear = command("approve", run.id)
    assert unclear.returncode == 2, unclear.stderr
    assert "'one'" in unclear.stderr
    yes = command("approve", run.id, "one", "--by", "carol", "--json")
    assert yes.returncode == 0, yes.stderr
    assert json.loads(yes.stdout)["by"] == "carol"
    run.until_it_asks("two")
    no = command("deny", run.id, "--comment", "not today")
    assert no.returncode == 0, no.stderr
    assert "Denied two: Release" in no.stdout
    result = run.ended()
    assert result.steps["one"].result["by"] == "carol"
    assert (result.error_message or "").endswith(": not today")
    late = command("approve", run.id)
    assert late.returncode == 2
    assert "waits for none" in late.stderr
