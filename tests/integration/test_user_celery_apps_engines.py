"""Tasks of somebody's Celery app on both engines: its broker is a block, and the records are the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL

from blocks import CeleryBroker
from codegen.result import RunResult
from flows.router import route_workflow
from rehearsal.server import temporary_server
from tests.integration.brokers import redis_server, worker
from tests.integration.test_user_celery_apps import write_app

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
TIMES = {"started_at", "ended_at", "time", "task_id"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything of these tests is kept."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module", autouse=True)
def installation(folder: Path) -> Iterator[None]:
    """A Prefect server, our broker with a worker, and another Redis with a worker of theirs."""
    with pytest.MonkeyPatch.context() as patch, temporary_server():
        patch.setenv("OPSCONDUCTOR_HOME", str(folder / "home"))
        patch.setenv("PREFECT_API_URL", str(PREFECT_API_URL.value()))
        for part in ("ours", "theirs", "redis"):
            (folder / part).mkdir()
        with (
            redis_server(folder / "redis") as our_redis,
            redis_server(folder / "theirs") as their_redis,
            worker(folder / "ours", our_redis.url, our_redis.url),
        ):
            write_app(folder / "theirs", their_redis.url, their_redis.url, "celery")
            CeleryBroker(url=their_redis.url).save("theirs")
            CeleryBroker(url="amqp://guest:hunter2@127.0.0.1:9//").save("unusable")
            patch.setenv("OPSCONDUCTOR_BROKER_URL", our_redis.url)
            with worker(folder / "theirs", their_redis.url, "", "--concurrency=2", app="theirs"):
                yield


def step(id: str, **keys: Any) -> dict[str, Any]:
    known = {"type": "celery_task", "broker": "theirs", "timeout": 100, "continue_on_error": True}
    return {"id": id, **known, "run_if": "finished", **keys}


def call(task: str, *args: Any) -> dict[str, Any]:
    return {"task": f"theirs.{task}", "args": [*args]}


DOCUMENT: dict[str, Any] = {
    "name": "Their tasks",
    "workflows": {"inner": {"name": "Inner", "steps": [step("deep", **call("add", 7))]}},
    "steps": [
        step("adds", **call("add", 1, 2), outputs={"sum": "{{ result.value }}"}),
        step("each", **call("add", "{{ item }}"), for_each=[1, 2, 3]),
        step("fails", **call("pay", -1), retry={"attempts": 2, "delay": 0}),
        step("chained", chain=[call("add", 1), {"group": [call("add", 1)] * 2}, call("total")]),
        step("late", **call("gated", "late"), timeout=2),
        step("unknown", **call("nothing")),
        step("missing", **call("add"), broker="missing"),
        step("unusable", **call("add"), broker="unusable"),
        {"id": "inside", "type": "workflow", "workflow": "inner", "run_if": "finished"},
    ],
    "outputs": {"sum": "{{ steps.adds.outputs.sum }}", "all": "{{ steps.chained.outputs.tasks }}"},
}


async def routed(engine: Any) -> RunResult:
    state: State[Any] = await route_workflow(
        DOCUMENT, {}, engine_preference=engine, force_engine=True, return_state=True
    )
    result = await state.aresult(raise_on_failure=False)
    assert isinstance(result, RunResult), result
    assert result.engine_used == engine
    return result


def plain(value: Any) -> Any:
    """Data without times and ids."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in TIMES}
    if isinstance(value, str):
        return UUID.sub("ID", value)
    return [plain(item) for item in value] if isinstance(value, list) else value


async def test_both_engines_run_their_tasks_alike(folder: Path) -> None:
    """The same records from both, also of what goes wrong; addresses are told without passwords."""
    results = [await routed("celery"), await routed("prefect")]
    by_celery, by_prefect = (
        plain(result.model_dump(mode="json", include={"steps", "error_message", "success", "result_data"}))
        for result in results
    )
    assert by_celery == by_prefect
    assert by_celery["success"], by_celery["error_message"]
    assert by_celery["result_data"] == {"sum": 3, "all": [1, 2, 2, 4]}
    records = by_celery["steps"]
    assert [item["result"]["value"] for item in records["each"]["items"]] == [1, 2, 3]
    assert (records["fails"]["attempts"], records["inside"]["status"]) == (2, "succeeded")
    messages = {id: record["error"]["message"] for id, record in records.items() if record["error"]}
    assert messages["fails"] == "theirs.pay: ValueError: -1 is not paid"
    assert re.fullmatch(
        r"timed out after 2s; theirs.gated \(ID\) is revoked: celery@\S+ confirmed it", messages["late"]
    )
    assert messages["unknown"].startswith("theirs.nothing: NotRegistered: ")
    assert messages["missing"].startswith("There is no CeleryBroker block 'missing' in Prefect. Save one: ")
    assert messages["unusable"].startswith("The CeleryBroker block 'unusable' can't be used: ")
    assert "hunter2" not in str(results)
    effects = (folder / "theirs" / "effects").read_text().split("\n")
    assert effects.count("pay -1") == 4
