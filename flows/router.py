"""The top-level flow: every workflow comes in here, whoever or whatever starts it."""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from codegen.result import RunResult
from codegen.workflow import EnginePreference
from flows.routing import routed, run_name


@flow(name="route-workflow", flow_run_name=run_name)
async def route_workflow(
    workflow: Annotated[
        str | dict[str, Any],
        Field(description="A document's name (disk_check), or the document itself: YAML, JSON or an object."),
    ],
    parameters: Annotated[
        dict[str, Any] | None, Field(description="Values for the document's parameters.")
    ] = None,
    targets: Annotated[
        list[str] | None,
        Field(description="What the steps run against, instead of the document's own targets."),
    ] = None,
    engine_preference: Annotated[
        EnginePreference, Field(description="The engine you would like; auto lets the score decide.")
    ] = "auto",
    force_engine: Annotated[
        bool, Field(description="Insist on that engine, whatever score and policy say.")
    ] = False,
) -> RunResult:
    """Run an operations workflow on the engine that suits it, and explain the choice."""
    return await routed(workflow, parameters or {}, targets, engine_preference, force_engine)
