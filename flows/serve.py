"""Serves the router as a deployment: `python -m flows.serve`. Runs start in processes of this machine."""

import asyncio
import os
from pathlib import Path

from prefect.runner import Runner

from flows.router import route_workflow

# Not `router`: that is what prefect.yaml deploys, perhaps to the same server.
DEPLOYMENT = "embedded"
MOST_AT_ONCE = 10


async def serve() -> None:
    """Register `route-workflow/embedded` and start its runs until the process is stopped."""
    runner = Runner(name="opsconductor", limit=MOST_AT_ONCE, pause_on_shutdown=False)
    deployment = await route_workflow.ato_deployment(
        name=DEPLOYMENT, description="Routes any workflow document; served by `opsconductor up`."
    )
    await runner.aadd_deployment(deployment)
    _announce()
    await runner.start()


def _announce() -> None:
    """Tell the supervisor that runs are accepted from now on."""
    if file := os.environ.get("OPSCONDUCTOR_READY_FILE"):
        Path(file).touch()


if __name__ == "__main__":
    asyncio.run(serve())
