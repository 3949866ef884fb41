"""Secrets on both engines: every kept byte of brokers, servers, logs and stored output is looked through
for them."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import get_client
from prefect.blocks.system import Secret
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import Log, State
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_DATABASE_CONNECTION_URL

from codegen.result import RunResult
from flows.router import route_workflow
from rehearsal.server import temporary_server
from tests.integration.brokers import redis_server, worker
from tests.unit.waiting import PATIENCE

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

SECRETS = {
    "from_variable": "variable-hunter2 $HOME",
    "from_file": "file-'hunter2'\"&?",
    "from_block": "block+hunter2/\\n",  # 16 characters
}
TIMES = {"started_at", "ended_at", "time"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of these tests is kept."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module", autouse=True)
def installation(folder: Path) -> Iterator[None]:
    """A Prefect server, a Redis that writes down every command, a worker, and a secret in each place."""
    with pytest.MonkeyPatch.context() as patch, temporary_server():
        patch.setenv("OPSCONDUCTOR_HOME", str(folder / "home"))
        patch.setenv("OPSCONDUCTOR_OUTPUT_STORAGE", str(folder / "output"))
        patch.setenv("OPSCONDUCTOR_SECRET_FROM_VARIABLE", SECRETS["from_variable"])
        patch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
        file = folder / "home" / "secrets" / "from_file"
        file.parent.mkdir(parents=True)
        file.write_text(SECRETS["from_file"] + "\n")
        file.chmod(0o600)
        Secret(value=SECRETS["from_block"]).save("from-block")
        for part in ("redis", "worker"):
            (folder / part).mkdir()
        with (
            redis_server(folder / "redis") as redis,
            worker(folder / "worker", redis.url, redis.url),
        ):
            patch.setenv("OPSCONDUCTOR_BROKER_URL", redis.url)
            yield


def prints(id: str, secret: str, script: str, **keys: Any) -> dict[str, Any]:
    return {
        "id": id,
        "type": "script",
        "script": script,
        "env": {"T": f"{{{{ secrets.{secret} }}}}"},
        **keys,
    }


DOCUMENT: dict[str, Any] = {
    "name": "Secrets",
    "steps": [
        prints("says", "from_variable", 'printf "%s\\n" "$T"', outputs={"said": "{{ result.stdout }}"}),
        prints("encodes", "from_file", 'printf "%s" "a$T" | base64 -w0; printf "%s\\n" "$T" >&2'),
        prints("knows", "from_block", '[ "${#T}" = 16 ] && set -x && : "$T"'),
        prints(
            "fails",
            "from_file",
            'echo "wrong: $T" >&2; exit 7',
            retry={"attempts": 2, "delay": 0},
            on_error={"steps": [{"id": "told", "type": "fail", "message": "{{ error.message }}"}]},
            continue_on_error=True,
        ),
        {
            "id": "calls",
            "type": "python",
            "call": "importlib:import_module",
            "args": {"name": "{{ secrets.from_block }}"},
            "run_if": "finished",
        },
    ],
    "finally": [
        {"id": "last", "type": "http", "url": "http://127.0.0.1:9/{{ secrets.from_file }}"},
    ],
}


PRINTS_KEY = {
    "name": "Inner",
    "parameters": {"key": {"secret": True}},
    "steps": [prints("says", "", 'printf "%s" "$T"', env={"T": "{{ params.key }}"})],
    "outputs": {"said": "{{ steps.says.result.stdout }}"},
}
NAMING: dict[str, Any] = {
    "name": "Secret parameters",
    "parameters": {"password": {"secret": True}, "key": {"secret": True, "default": "from_file"}},
    "workflows": {"inner": PRINTS_KEY},
    "steps": [
        prints("knows", "", '[ "${#T}" = 16 ] && set -x && : "$T"', env={"T": "{{ params.password }}"}),
        {"id": "hands", "type": "workflow", "workflow": "inner", "parameters": {"key": "{{ params.key }}"}},
        prints(
            "fails", "", 'echo "wrong: $T" >&2; exit 7', env={"T": "{{ params.key }}"}, continue_on_error=True
        ),
        {
            "id": "calls",
            "type": "python",
            "call": "importlib:import_module",
            "args": {"name": "{{ params.password }}"},
            "run_if": "finished",
            "continue_on_error": True,
        },
    ],
    "finally": [{"id": "last", "type": "http", "url": "http://127.0.0.1:9/{{ params.password }}"}],
}


async def routed(engine: Any, document: dict[str, Any] = DOCUMENT, **parameters: str) -> RunResult:
    state: State[Any] = await route_workflow(
        document, parameters, engine_preference=engine, force_engine=True, return_state=True
    )
    result = await state.aresult(raise_on_failure=False)
    assert isinstance(result, RunResult), result
    assert result.engine_used == engine
    return result


def plain(result: RunResult) -> Any:
    """The records and logs of a run without times and without its id."""

    def stripped(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: stripped(item) for key, item in value.items() if key not in TIMES}
        return [stripped(item) for item in value] if isinstance(value, list) else value

    told = result.model_dump_json(include={"steps", "logs", "error_message", "success"})
    return stripped(json.loads(told.replace(result.execution_id, "RUN")))


def stored(folder: Path, result: RunResult) -> dict[str, str]:
    """What is stored of a run's output."""
    place = folder / "output" / result.execution_id
    return {file.name: file.read_text() for file in place.iterdir()}


def traces(kept: bytes) -> list[str]:
    """The secrets that are in there, in any of the ways in which they would be."""
    return [
        name
        for name, value in SECRETS.items()
        for written in (value, json.dumps(value)[1:-1], b64encode(value.encode()).decode()[:-4], "hunter2")
        if written.encode() in kept
    ]


async def kept_by_prefect() -> bytes:
    """Everything that its API tells of runs."""
    async with get_client() as client:
        found = [
            *await client.read_flow_runs(),
            *await client.read_task_runs(),
            *await client.read_logs(),
            *await client.read_artifacts(),
        ]
    return "\n".join(one.model_dump_json() for one in found).encode()


def database() -> Iterator[bytes]:
    """The files of its database, in which blocks are encrypted."""
    file = Path(str(PREFECT_SERVER_DATABASE_CONNECTION_URL.value()).partition("///")[2])
    assert file.exists()
    yield from (one.read_bytes() for one in file.parent.glob(f"{file.name}*"))


async def test_both_engines_use_secrets_and_keep_nothing_of_them(folder: Path) -> None:
    """The same records from both; nothing in Redis, in Prefect, in the worker's log or in generated code."""
    results = [await routed("celery"), await routed("prefect")]
    by_celery, by_prefect = map(plain, results)
    assert by_celery == by_prefect
    steps = by_celery["steps"]
    assert [steps[id]["status"] for id in ("says", "knows", "fails")] == ["succeeded", "succeeded", "failed"]
    assert steps["says"]["outputs"] == {"said": "***\n"}
    assert steps["fails"]["error"]["message"].startswith("exit code 7: wrong: ***; its on_error failed, too")
    assert steps["calls"]["error"]["message"] == "ModuleNotFoundError: No module named '***'"
    assert steps["last"]["error"]["message"] == (
        "GET http://127.0.0.1:9/***: connection refused; nothing listens there"
    )
    assert b"wrong: ***" in await kept_by_prefect()
    await nothing_of_them_is_kept(folder, results)


async def nothing_of_them_is_kept(folder: Path, results: list[RunResult]) -> None:
    """Neither in what the runs gave nor in anything that was written on the way."""
    for result in results:
        assert traces(result.model_dump_json().encode() + repr(result).encode()) == []
    assert traces(await kept_by_prefect()) == []
    for kept in database():
        assert traces(kept) == []
    written = [file for file in folder.rglob("*") if file.is_file() and file.name != "from_file"]
    assert any("aof" in file.name for file in written)
    for file in written:
        assert traces(file.read_bytes()) == [], file


async def test_secret_parameters_travel_as_names(folder: Path) -> None:
    """Everything on the way has the names: Prefect's parameters, the message, what is handed to documents."""
    results = [await routed(engine, NAMING, password="from_block") for engine in ("celery", "prefect")]
    by_celery, by_prefect = map(plain, results)
    assert by_celery == by_prefect
    steps = by_celery["steps"]
    assert [steps[id]["status"] for id in ("knows", "hands", "fails")] == ["succeeded", "succeeded", "failed"]
    assert steps["hands"]["outputs"] == {"said": "***"}
    assert steps["fails"]["error"]["message"] == "exit code 7: wrong: ***"
    assert steps["calls"]["error"]["message"] == "ModuleNotFoundError: No module named '***'"
    assert steps["last"]["error"]["message"].startswith("GET http://127.0.0.1:9/***: connection refused")
    async with get_client() as client:
        given = [run.parameters for run in await client.read_flow_runs() if "Secret parameters" in run.name]
    assert {"password": "from_block", "key": "from_file"} in given
    await nothing_of_them_is_kept(folder, results)


LINE = "a line with ***"
MUCH: dict[str, Any] = {
    "name": "Much output",
    "workflows": {"inner": {"name": "Inner", "steps": [prints("deep", "from_file", "echo deep")]}},
    "steps": [
        prints("flood", "from_variable", 'yes "a line with $T" | head -n 100000; echo over >&2'),
        prints("each", "from_block", 'echo "{{ item }} $T"', for_each=["one", "two"]),
        {"id": "calls", "type": "workflow", "workflow": "inner"},
    ],
}


async def test_both_engines_store_the_whole_output(folder: Path) -> None:
    """Masked and in order, under the same names; the records say the same of it, the log has a part of it."""
    results = [await routed("celery", MUCH), await routed("prefect", MUCH)]
    by_celery, by_prefect = map(plain, results)
    assert by_celery["steps"] == by_prefect["steps"]
    whole = f"{LINE}\n" * 100_000
    for result in results:
        assert stored(folder, result) == {
            "flood.1.stdout": whole,
            "flood.1.stderr": "over\n",
            "each.0.1.stdout": "one ***\n",
            "each.1.1.stdout": "two ***\n",
            "calls.deep.1.stdout": "deep\n",
        }
        flood = result.steps["flood"].result
        where = str(folder / "output" / result.execution_id / "flood.1.stdout")
        assert flood["stored"]["stdout"] == {"where": where, "bytes": len(whole)}
        assert whole.endswith(flood["stdout"].partition("\n")[2])
        assert flood["truncated"].keys() == {"stdout"}
        logs = await logged(result, f"All of stdout: {where} ({len(whole):,} bytes)")
        assert sum(LINE in log for log in logs) < 5_000
    await nothing_of_them_is_kept(folder, results)


async def logged(result: RunResult, last: str) -> list[str]:
    """The log of a run, once something is in it: lines come to the server in batches."""
    async with asyncio.timeout(PATIENCE), get_client() as client:
        while True:
            logs = [log.message async for log in all_logs(client, result)]
            if any(last in log for log in logs):
                return logs
            await asyncio.sleep(0.1)


async def all_logs(client: PrefectClient, result: RunResult) -> AsyncIterator[Log]:
    """The log of a run and of its subflows."""
    family = {UUID(result.execution_id)}
    for _ in range(3):
        below = by.FlowRunFilter(parent_flow_run_id=by.FlowRunFilterParentFlowRunId(any_=list(family)))
        family |= {run.id for run in await client.read_flow_runs(flow_run_filter=below)}
    wanted = by.LogFilter(flow_run_id=by.LogFilterFlowRunId(any_=list(family)))
    offset = 0
    while page := await client.read_logs(wanted, limit=200, offset=offset):
        offset += len(page)
        for log in page:
            yield log


@pytest.mark.parametrize("engine", ["celery", "prefect"])
async def test_a_secret_that_is_nowhere_fails_its_step(folder: Path, engine: str) -> None:
    """The message names it and where it was looked for."""
    step = {"id": "a", "type": "http", "url": "{{ secrets.no_where }}"}
    result = await routed(engine, {"name": "n", "steps": [step]})
    assert result.error_message == (
        "step 'a' failed: secret 'no_where': not found; looked for the environment variable "
        f"OPSCONDUCTOR_SECRET_NO_WHERE, the file {folder}/home/secrets/no_where and "
        "Prefect's Secret block 'no-where'"
    )


@pytest.mark.parametrize("engine", ["celery", "prefect"])
async def test_a_parameter_that_names_no_secret_fails_its_step(engine: str) -> None:
    """The message has both names."""
    step = {"id": "a", "type": "http", "url": "{{ params.hook }}"}
    document = {"name": "n", "parameters": {"hook": {"secret": True}}, "steps": [step]}
    result = await routed(engine, document, hook="no_where")
    assert result.error_message is not None
    assert result.error_message.startswith(
        "step 'a' failed: parameter 'hook': secret 'no_where': not found; looked for the environment variable"
    )
