"""The top-level flow: every workflow comes in here, whoever or whatever starts it."""

from typing import Any

from prefect import flow

from codegen.result import RunResult
from codegen.workflow import EnginePreference
from flows.engines import LOCAL_STORAGE
from flows.routing import Wish, routed


@flow(name="route-workflow", persist_result=False, result_storage=LOCAL_STORAGE)
async def route_workflow(
    workflow: str | dict[str, Any],
    parameters: dict[str, Any] = {},  # noqa: B006 - Prefect's form shows it; nobody changes it
    targets: list[str] = [],  # noqa: B006
    engine_preference: EnginePreference = "auto",
    force_engine: bool = False,
) -> RunResult:
    """Run an operations workflow on the engine that suits it, and explain the choice.

    Args:
        workflow: The name of a document, such as disk_check, or a document itself (YAML, JSON, an object).
        parameters: Values for the document's parameters.
        targets: What the steps run against; empty means the document's own targets.
        engine_preference: The engine you would like; auto lets the score decide.
        force_engine: Insist on that engine, whatever score and policy say.
    """
    wish = Wish(workflow, parameters, targets, engine_preference, force_engine)
    result: RunResult = await routed(wish)
    return result
