"""Generated flows run in Prefect, and mean what the interpreter understands by the same document."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun, TaskRunResult
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import FailedRun, ParameterTypeError
from prefect.settings import PREFECT_API_URL

from codegen.document import load_file, parse
from codegen.parameters import check_values
from codegen.registry import Registry
from codegen.render import flow_arguments, flow_name, render
from codegen.result import Report
from codegen.workflow import Workflow
from flows.session import Session, entered
from rehearsal.server import temporary_server
from steps.interpreter import interpret
from tests.golden.update import DOCUMENTS, FOLDER
from tests.unit.waiting import wait_until

RUN_ID = "11111111-2222-3333-4444-555555555555"
ROOT = FOLDER.parent.parent
TIMES = {"started_at", "ended_at", "start_time", "end_time", "time"}

pytestmark = [
    pytest.mark.timeout(900),
    # Prefect leaves connections to its server to the garbage collector when an event loop ends.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def prefect_server() -> Iterator[str]:
    """One Prefect server with a database of its own."""
    with temporary_server():
        yield str(PREFECT_API_URL.value())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(tmp_path_factory.mktemp("flows"))


def workflow(*steps: dict[str, Any], **more: Any) -> Workflow:
    return parse({"name": "Parity", "steps": steps, **more})


def run(id: str, command: str = "true", **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "command", "command": command, **more}


def put(id: str, value: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "set", "values": {"value": value}, **more}


def fail(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "fail", "message": f"{id} fails", **more}


def interpreted(document: Workflow, values: Mapping[str, Any]) -> Report:
    return asyncio.run(interpret(document, run_id=RUN_ID, parameters=values).run())


def generated(document: Workflow, values: Mapping[str, Any], registry: Registry) -> Report:
    flow = registry.load(registry.get_or_create(document))
    arguments = flow_arguments(document, check_values(document.parameters, values), document.targets)

    async def routed() -> Session:
        with entered(Session(RUN_ID)) as session:
            await flow(**arguments, return_state=True)
        return session

    report = asyncio.run(routed()).report
    assert report is not None
    return report


def plain(report: Report) -> str:
    """A report without times; lines of steps that run side by side may come in any order."""

    def stripped(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: stripped(item) for key, item in value.items() if key not in TIMES}
        return [stripped(item) for item in value] if isinstance(value, list | tuple) else value

    data = stripped(report.model_dump())
    data["logs"].sort(key=lambda line: (line["step"], line["place"]))
    return json.dumps(data, indent=1, default=repr)


def assert_parity(document: Workflow, registry: Registry, values: Mapping[str, Any] | None = None) -> Report:
    report = generated(document, values or {}, registry)
    assert plain(report) == plain(interpreted(document, values or {}))
    return report


GOLDEN_VALUES: dict[str, dict[str, Any]] = {
    "parameters": {"host": "a.b", "whole": 3, "factor": 4, "optional": "x"}
}


HARMLESS = [file for file in DOCUMENTS if not (FOLDER / "tests" / f"{file.stem}.test.yaml").exists()]
"""The others would work on hosts that aren't there; the conformance suite rehearses them."""


@pytest.mark.parametrize("file", HARMLESS, ids=lambda file: file.stem)
def test_golden_documents_mean_the_same_on_both_engines(file: Path, registry: Registry) -> None:
    """Each construct, each kind of step, each kind of parameter, and hostile texts."""
    assert_parity(load_file(file), registry, GOLDEN_VALUES.get(file.stem))


CASES: dict[str, tuple[str, Workflow]] = {
    "a chain": ("succeeded", workflow(put("a"), run("b", "echo {{ steps.a.outputs.value }}"), run("c"))),
    "a failure blocks what depends on it": (
        "failed",
        workflow(run("a"), run("b", "exit 3"), run("c"), run("d")),
    ),
    "only dependents are blocked": (
        "failed",
        workflow(
            fail("a"), put("b", depends_on=[]), put("c", depends_on=["a", "b"]), put("d", depends_on=["b"])
        ),
    ),
    "run_if": (
        "succeeded",
        workflow(
            fail("a", continue_on_error=True),
            put("after_failure", depends_on=["a"], run_if="failed"),
            put("either_way", depends_on=["a"], run_if="finished"),
            put("blocked_before", depends_on=["after_failure"], run_if="failed"),
        ),
    ),
    "when": (
        "succeeded",
        workflow(put("a", when="1 > 2"), put("b"), put("c", when="steps.a.status == 'skipped'")),
    ),
    "a condition that can't be evaluated": ("failed", workflow(put("a", when="1 / 0 > 1"), put("b"))),
    "for_each over a list": (
        "succeeded",
        workflow(run("a", "echo {{ item }} {{ index }}", for_each=["x y", 2, {"k": 1}], max_parallel=1)),
    ),
    "for_each over an expression": (
        "succeeded",
        workflow(put("a", [3, 1, 2]), put("b", "{{ item + index }}", for_each="steps.a.outputs.value")),
    ),
    "for_each over no list": ("failed", workflow(put("a", for_each="1 + 1"), put("b"))),
    "for_each over nothing": ("succeeded", workflow(put("a", for_each="[]"), put("b"))),
    "some items fail": (
        "failed",
        workflow(run("a", "exit {{ item }}", for_each=[0, 7, 0, 8], when="index != 2"), put("b")),
    ),
    "on targets": (
        "succeeded",
        workflow(
            run("a", "echo {{ target }}", on="targets"),
            put("b", "{{ steps.a['items'] | map(attribute='target') | list }}"),
            run("c", "echo {{ target }} {{ index }}", on="c.localhost"),
            targets=["localhost", "a.localhost"],
        ),
    ),
    "retries that help": (
        "succeeded",
        workflow(
            run(
                "a",
                "echo x >> {{ params.file }}; test $(wc -l < {{ params.file }}) -ge 3",
                retry={"attempts": 5, "delay": "10ms"},
            ),
            put("b", "{{ steps.a.attempts }}"),
            parameters={"file": {"type": "string"}},
        ),
    ),
    "retries that don't": (
        "failed",
        workflow(
            run("a", "exit 3", retry={"attempts": 3, "delay": "10ms", "backoff": 2, "jitter": True}), put("b")
        ),
    ),
    "retries of items": (
        "failed",
        workflow(run("a", "exit {{ item }}", for_each=[0, 1], retry={"attempts": 2, "delay": 0})),
    ),
    "a timeout": ("failed", workflow(run("a", "sleep 20", timeout="200ms"), put("b"))),
    "outputs": (
        "succeeded",
        workflow(
            run(
                "a",
                "echo 41",
                outputs={"number": "{{ result.stdout | int + 1 }}", "text": "<{{ result.stdout }}>"},
            ),
            run("b", "echo {{ steps.a.outputs.text }}"),
            outputs={"number": "{{ steps.a.outputs.number }}", "said": "{{ steps.b.result.stdout }}"},
        ),
    ),
    "outputs that can't be computed": (
        "failed",
        workflow(
            run("a", outputs={"x": "{{ result.stdout[5] }}"}, retry={"attempts": 2, "delay": 0}), put("b")
        ),
    ),
    "outputs of the run that can't be computed": (
        "failed",
        workflow(put("a"), outputs={"x": "{{ steps.a.outputs.value / 0 }}"}),
    ),
    "continue_on_error": (
        "succeeded",
        workflow(fail("a", continue_on_error=True), put("b", run_if="finished"), put("c")),
    ),
    "on_failure and finally after a failure": (
        "failed",
        workflow(
            put("a"),
            fail("b"),
            on_failure=[put("c", "{{ error.step }}: {{ error.message }}"), fail("d"), put("e")],
            **{"finally": [put("f", "{{ error.message }}"), put("g", depends_on=[])]},
        ),
    ),
    "finally after success": (
        "succeeded",
        workflow(put("a"), on_failure=[put("b")], **{"finally": [put("c")]}),
    ),
    "finally that fails": (
        "failed",
        workflow(put("a"), **{"finally": [fail("c"), put("d", run_if="failed")]}),
    ),
    "parallel": (
        "failed",
        workflow(
            {
                "id": "both",
                "type": "parallel",
                "steps": [
                    fail("a"),
                    run("b", "echo b"),
                    put("c", depends_on=["b"]),
                    fail("d", continue_on_error=True),
                ],
            },
            put("after"),
        ),
    ),
    "a skipped group": (
        "succeeded",
        workflow(
            {"id": "g", "type": "sequential", "when": "false", "steps": [fail("a"), put("b")]}, put("after")
        ),
    ),
    "a blocked group": (
        "failed",
        workflow(
            fail("a"),
            {"id": "g", "type": "parallel", "steps": [put("b"), put("c")]},
            put("d", run_if="finished"),
        ),
    ),
    "conditions": (
        "succeeded",
        workflow(
            put("a", 5),
            {
                "id": "choice",
                "type": "condition",
                "when": "steps.a.outputs.value > 3",
                "then": [
                    {
                        "id": "inner",
                        "type": "condition",
                        "when": "steps.a.outputs.value > 10",
                        "then": [fail("never")],
                        "else": [put("chosen"), put("next_one")],
                    }
                ],
                "else": [fail("not_taken")],
            },
            put("after", "{{ steps.never.status }}"),
        ),
    ),
    "stop": (
        "succeeded",
        workflow(put("a"), {"id": "b", "type": "stop", "message": "done"}, fail("c"), fail("d")),
    ),
    "validation": (
        "failed",
        workflow(
            {"id": "a", "type": "validation", "that": ["1 < 2", "2 < 1"], "message": "no: {{ name }}"},
            put("b"),
        ),
    ),
    "scripts, pythons and notices": (
        "succeeded",
        workflow(
            {"id": "a", "type": "script", "language": "python", "script": "print('{{ name }}')\n"},
            {"id": "b", "type": "python", "call": "textwrap:shorten", "args": {"text": "a b c", "width": 9}},
            {"id": "c", "type": "notification", "message": "{{ steps.b.result }}"},
            {"id": "d", "type": "wait", "duration": 0},
        ),
    ),
    "hundreds of skipped steps in a row": (
        "succeeded",
        workflow(put("first"), *(put(f"s{i}", when="false") for i in range(400)), put("last")),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_construct_means_the_same_on_both_engines(case: str, registry: Registry, tmp_path: Path) -> None:
    """Statuses, attempts, results, outputs, errors and lines are equal, and are what they should be."""
    expected, document = CASES[case]
    reports = []
    for engine in ("generated", "interpreted"):
        values = {"file": str(tmp_path / engine)} if document.parameters else {}
        report = (
            generated(document, values, registry) if engine == "generated" else interpreted(document, values)
        )
        reports.append(plain(report))
        assert report.success is (expected == "succeeded"), report.error
    assert reports[0] == reports[1]


ALONE = load_file(FOLDER / "disk_check.yaml")


async def test_a_flow_run_by_itself_returns_its_outputs(registry: Registry) -> None:
    """Without a router: a plain Prefect flow with a plain result."""
    flow = registry.load(
        registry.get_or_create(workflow(put("a", 41), outputs={"next": "{{ steps.a.outputs.value + 1 }}"}))
    )
    assert await flow() == {"next": 42}


async def test_a_flow_that_fails_by_itself_says_which_step_and_why(registry: Registry) -> None:
    """Prefect's own exception for a flow that ended Failed, with the cause."""
    flow = registry.load(registry.get_or_create(workflow(put("a"), fail("b"))))
    with pytest.raises(FailedRun, match="step 'b' failed: b fails"):
        await flow()


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"host": "A", "whole": 1}, "host"),
        ({"host": "a", "whole": 0}, "whole"),
        ({"host": "a", "whole": 1, "ratio": 1.5}, "ratio"),
        ({"host": "a", "whole": 1, "color": "blue"}, "color"),
        ({"host": "a", "whole": 1, "size": 4}, "size"),
        ({"host": "a", "whole": 1, "ports": "80"}, "ports"),
    ],
)
async def test_values_that_do_not_fit_are_refused_by_prefect(
    registry: Registry, values: dict[str, Any], wrong: str
) -> None:
    """The signature holds the document's constraints."""
    flow = registry.load(registry.get_or_create(load_file(FOLDER / "parameters.yaml")))
    with pytest.raises(ParameterTypeError, match=wrong):
        await flow(**values)


def test_prefect_knows_the_parameters(registry: Registry) -> None:
    """Types, bounds, choices, defaults and descriptions reach Prefect's form."""
    flow = registry.load(registry.get_or_create(load_file(FOLDER / "parameters.yaml")))
    properties = flow.parameters.properties
    assert flow.parameters.required == ["host", "whole"]
    assert properties["host"] == {
        "description": "Where to ask: a name.",
        "pattern": "^(?:[a-z.]+)$",
        "position": 0,
        "title": "host",
        "type": "string",
    }
    assert properties["color"]["enum"] == ["red", "green", "it's"]
    assert (properties["ratio"]["minimum"], properties["ratio"]["maximum"]) == (0, 1)
    assert properties["step"]["enum"] == [0.5, 1]
    assert properties["ports"]["default"] == [80, 443]
    assert properties["labels"]["default"] == {"team": "ops", "a key": [1, None]}
    assert properties["targets"]["default"] == ["localhost", "a.localhost"]
    assert properties["long"]["description"].startswith("A description of many words that")


async def test_the_graph_shows_names_and_edges(registry: Registry) -> None:
    """A task run comes after the runs its step depends on; a group stands for its last steps."""
    document = workflow(
        put("a", on="localhost"),
        {"id": "both", "type": "parallel", "steps": [put("b"), put("c")]},
        put("skipped", when="false"),
        put("d", for_each=[1, 2]),
    )
    flow = registry.load(registry.get_or_create(document))
    state = await flow(return_state=True)
    runs = await _task_runs(state.state_details.flow_run_id, 5)
    names = {run.id: run.name for run in runs}
    before = {run.name: sorted(names[edge] for edge in _edges(run)) for run in runs}
    first = "a on localhost"
    assert before == {first: [], "b": [first], "c": [first], "d [0]": ["b", "c"], "d [1]": ["b", "c"]}


async def test_task_runs_are_named_by_the_whole_place(registry: Registry) -> None:
    """Executions within executions have the numbers of both, and their targets."""
    inner = [put("a", for_each=[1, 2]), put("b", on="b.localhost", for_each=[3]), put("c")]
    each = {"id": "each", "type": "sequential", "for_each": [1, 2], "steps": inner}
    flow = registry.load(registry.get_or_create(workflow(each)))
    state = await flow(return_state=True)
    names = {run.name for run in await _task_runs(state.state_details.flow_run_id, 8)}
    places = ("a [{}][0]", "a [{}][1]", "b [{}] on b.localhost [0]", "c [{}]")
    assert names == {place.format(number) for place in places for number in (0, 1)}


async def test_the_graph_shows_what_handlers_and_undos_deal_with(registry: Registry) -> None:
    """They come after their step, each after that of its own execution."""
    each = {
        "id": "each",
        "type": "sequential",
        "for_each": [1, 2],
        "steps": [
            run("a", rollback=[run("undo_a"), run("then")]),
            run("b", rollback=[run("undo_b")], on_error={"steps": [put("h")]}),
        ],
    }
    breaks = run("c", "exit 3", on_error={"steps": [put("mend")]})
    flow = registry.load(registry.get_or_create(workflow(each, breaks)))
    state = await flow(return_state=True)
    runs = await _task_runs(state.state_details.flow_run_id, 12)
    names = {run.id: run.name for run in runs}
    before = {run.name: sorted(names[edge] for edge in _edges(run)) for run in runs}
    for number in (0, 1):
        assert before[f"b [{number}]"] == before[f"undo_a [{number}]"] == [f"a [{number}]"]
        assert before[f"then [{number}]"] == [f"undo_a [{number}]"]
        assert before[f"undo_b [{number}]"] == [f"b [{number}]"]
    assert before["mend"] == ["c"]
    assert before["c"] == ["b [0]", "b [1]"]


async def test_steps_of_a_cancelled_run_end_as_cancelled(registry: Registry, tmp_path: Path) -> None:
    """Not as Crashed, whether they run once or fan out; the always-steps still run."""
    began = [tmp_path / name for name in ("one", "0", "1")]
    document = workflow(
        {
            "id": "both",
            "type": "parallel",
            "steps": [
                run("one", f"touch {began[0]}; exec sleep 600"),
                run("many", f"touch {tmp_path}/{{{{ item }}}}; exec sleep 600", for_each=[0, 1]),
            ],
        },
        **{"finally": [put("tidy")]},
    )
    flow = registry.load(registry.get_or_create(document))
    with entered(Session(RUN_ID)) as session:
        running = asyncio.create_task(flow(return_state=True))
        await wait_until(lambda: all(file.exists() for file in began), 60)
        session.cancel()
        state = await running
    told = "Cancelled: stopped 3 of 3 steps: one, many [0], many [1] (asked at "
    assert (state.name, (state.message or "")[: len(told)]) == ("Cancelled", told)
    runs = await _task_runs(state.state_details.flow_run_id, 4)
    states = {run.name: run.state.name for run in runs if run.state}
    cancelled = dict.fromkeys(("one", "many [0]", "many [1]"), "Cancelled")
    assert states == cancelled | {"tidy": "Completed"}


def _runs_another(**more: Any) -> Workflow:
    """A document with a step that runs another one."""
    inner = {"name": "Inner: one / two", "steps": [run("one", "echo 1"), run("two", more.pop("two", "true"))]}
    sub = {"id": "sub", "type": "workflow", "workflow": "inner", **more}
    return workflow(put("before"), sub, workflows={"inner": inner})


async def test_a_document_that_is_run_is_a_subflow(registry: Registry) -> None:
    """With its own task runs, below the task run of the step; its lines are in its own task runs' logs."""
    flow = registry.load(registry.get_or_create(_runs_another(for_each=[1, 2])))
    with entered(Session(RUN_ID, registry=registry)) as session:
        state = await flow(return_state=True)
    assert state.is_completed()
    assert session.report is not None
    assert {line.step for line in session.report.logs} == {"sub [0]/one", "sub [1]/one"}
    outer = await _task_runs(state.state_details.flow_run_id, 5)
    children = [
        UUID(str(run.state.state_details.child_flow_run_id))
        for run in outer
        if run.state and _is_subflow(run)
    ]
    assert len(children) == 2
    async with get_client() as client:
        flow_runs = [await client.read_flow_run(child) for child in children]
    assert [run.name for run in flow_runs] == ["Inner: one - two"] * 2
    for child in children:
        tasks = await _task_runs(child, 2)
        assert {run.name: run.state.name for run in tasks if run.state} == {
            "one": "Completed",
            "two": "Completed",
        }


async def test_a_cancelled_run_ends_the_subflow_as_cancelled(registry: Registry, tmp_path: Path) -> None:
    """Not as Crashed; the step, too."""
    began = tmp_path / "began"
    flow = registry.load(registry.get_or_create(_runs_another(two=f"touch {began}; exec sleep 600")))
    with entered(Session(RUN_ID, registry=registry)) as session:
        running = asyncio.create_task(flow(return_state=True))
        await wait_until(began.exists, 60)
        session.cancel()
        state = await running
    assert state.name == "Cancelled"
    outer = await _task_runs(state.state_details.flow_run_id, 3)
    assert sorted(str(run.state.name) for run in outer if run.state) == [
        "Cancelled",
        "Cancelled",
        "Completed",
    ]
    (child,) = (run.state.state_details.child_flow_run_id for run in outer if run.state and _is_subflow(run))
    async with get_client() as client:
        inner = await client.read_flow_run(UUID(str(child)))
    assert inner.state is not None
    assert inner.state.name == "Cancelled"


def _is_subflow(run: TaskRun) -> bool:
    return run.state is not None and run.state.state_details.child_flow_run_id is not None


def _edges(run: TaskRun) -> list[UUID]:
    return [edge.id for edge in run.task_inputs.get("wait_for", []) if isinstance(edge, TaskRunResult)]


async def _task_runs(flow_run: UUID, number: int) -> list[TaskRun]:
    """The task runs of a flow run; the server records them a little later than they end."""
    only = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run]))
    async with get_client() as client:
        for _ in range(600):
            runs = await client.read_task_runs(flow_run_filter=only)
            if len(runs) == number and all(run.state and run.state.is_final() for run in runs):
                return runs
            await asyncio.sleep(0.1)
    raise AssertionError(f"{len(runs)} of {number} task runs after a minute")


def command(*words: str, server: str = "", home: Path) -> subprocess.CompletedProcess[str]:
    """A command with this project on its path and a Prefect of the test's own."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        **({"PREFECT_API_URL": server} if server else {}),
    }
    return subprocess.run(
        [sys.executable, *words], cwd=home, env=environment, capture_output=True, text=True, timeout=240
    )


def test_a_generated_file_runs_by_itself(tmp_path: Path) -> None:
    """`python OUT.py`, with a Prefect that starts and ends with it."""
    (tmp_path / "disk_check.py").write_text(render(ALONE), encoding="utf-8")
    run = command("disk_check.py", home=tmp_path)
    assert run.returncode == 0, run.stderr
    for line in (
        "Beginning flow run",
        "Task run 'usage on localhost' - Finished in state Completed()",
        "Free disk space: succeeded",
    ):
        assert line in run.stderr


def test_a_generated_file_takes_its_arguments(prefect_server: str, tmp_path: Path) -> None:
    """Required parameters come from the command line; without them it says what it needs."""
    (tmp_path / "check.py").write_text(render(load_file(FOLDER / "parameters.yaml")), encoding="utf-8")
    missing = command("check.py", server=prefect_server, home=tmp_path)
    assert (missing.returncode, missing.stderr.splitlines()[-1][:44]) == (
        1,
        "host, whole: a value is required; write name",
    )
    run = command(
        "check.py", "host=a.b", "whole=3", "ratio=1", "ports=[1]", server=prefect_server, home=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert "a.b 1 3 1 localhost" in run.stderr


def test_a_generated_file_deploys(prefect_server: str, tmp_path: Path) -> None:
    """`prefect deploy OUT.py:NAME` reads the file and finds flow, description and parameters."""
    (tmp_path / "disk_check.py").write_text(render(ALONE), encoding="utf-8")
    prefect = ("-m", "prefect", "--no-prompt")
    pool = command(
        *prefect, "work-pool", "create", "pool", "--type", "process", server=prefect_server, home=tmp_path
    )
    assert pool.returncode == 0, pool.stderr
    entrypoint = f"disk_check.py:{flow_name(ALONE)}"
    deployed = command(
        *prefect, "deploy", entrypoint, "-n", "test", "-p", "pool", server=prefect_server, home=tmp_path
    )
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr

    async def deployment() -> DeploymentResponse:
        async with get_client() as client:
            return await client.read_deployment_by_name("Free disk space/test")

    found = asyncio.run(deployment())
    assert found.entrypoint == entrypoint
    assert (found.description or "").startswith("Clear old logs where a disk is filling up.")
    schema = found.parameter_openapi_schema or {}
    assert schema["properties"]["threshold"]["description"] == "Percent in use that triggers a clean-up."
