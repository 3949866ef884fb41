"""Serves the router as a deployment: `python -m flows.serve`. Runs start in processes of this machine."""

import asyncio
import os
from pathlib import Path
from typing import Any

from prefect.runner import Runner

from celery_bridge.background import alongside
from flows.orphans import say_what_crashed
from flows.router import route_workflow
from flows.waking import wake

# Not `router`: that is what prefect.yaml deploys, perhaps to the same server.
DEPLOYMENT = "embedded"
MOST_AT_ONCE = 10
# How long before its time a scheduled run gets its process, in which it then waits.
SECONDS_TO_A_START = 2


class Router(Runner):
    """Prefect's runner, but SIGTERM ends its runs, always-steps included, before it ends itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._stopping: list[asyncio.Task[None]] = []

    def handle_sigterm(self, *_args: Any, **_more: Any) -> None:
        """Prefect's own forgets to await its stop, so the runs would be killed and stay Running for ever."""
        if not self.started:
            raise SystemExit(0)
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(lambda: self._stopping.append(loop.create_task(self.astop())))


async def serve() -> None:
    """Register `route-workflow/embedded` and start its runs until the process is stopped."""
    runner = Router(
        name="opsconductor",
        limit=MOST_AT_ONCE,
        pause_on_shutdown=False,
        prefetch_seconds=SECONDS_TO_A_START,
    )
    deployment = await route_workflow.ato_deployment(
        name=DEPLOYMENT, description="Routes any workflow document; served by `opsconductor up`."
    )
    await say_what_crashed(await runner.aadd_deployment(deployment))
    _announce()
    async with alongside(wake()):
        await runner.start()


def _announce() -> None:
    """Tell the supervisor that runs are accepted from now on."""
    if file := os.environ.get("OPSCONDUCTOR_READY_FILE"):
        Path(file).touch()


if __name__ == "__main__":
    asyncio.run(serve())
