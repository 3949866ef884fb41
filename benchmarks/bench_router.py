"""Prefect API requests and wall time of a routed workflow on each path, beside a flow of Prefect alone.

Run: `python benchmarks/bench_router.py [runs]`. Starts an installation in a temporary folder and stops it.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

DOCUMENT = {"name": "One step", "steps": [{"id": "one", "type": "set", "values": {"answer": 42}}]}


class Counting(Counter[str]):
    """Counts the requests that this process sends, by method."""

    def watch(self) -> None:
        """Count from now on."""
        for kind in (httpx.Client, httpx.AsyncClient):
            self._wrap(kind)

    def _wrap(self, kind: Any) -> None:
        send = kind.send

        def counted(client: Any, request: httpx.Request, **options: Any) -> Any:
            self[request.method] += 1
            return send(client, request, **options)

        kind.send = counted


async def measure(name: str, run: Callable[[], Awaitable[Any]], runs: int, requests: Counting) -> None:
    """Run a few times and print medians; the first run warms caches and doesn't count."""
    await run()
    seconds, counts = [], []
    for _ in range(runs):
        requests.clear()
        start = time.perf_counter()
        await run()
        seconds.append(time.perf_counter() - start)
        counts.append(requests.total())
    print(f"{name:<28} {statistics.median(counts):>8.0f} {statistics.median(seconds) * 1000:>10.0f}")


async def compare(runs: int) -> None:
    """The table."""
    from prefect import flow, task

    from flows.router import route_workflow

    @task
    async def one() -> int:
        return 42

    @flow(persist_result=False)
    async def plain() -> int:
        return await one()

    @flow(persist_result=False)
    async def parent() -> int:
        return await plain()

    requests = Counting()
    requests.watch()
    print(f"{'median of ' + str(runs):<28} {'requests':>8} {'ms':>10}")
    await measure("a flow with a task", plain, runs, requests)
    await measure("a flow with a subflow", parent, runs, requests)
    for engine in ("celery", "prefect"):
        await measure(
            f"routed to {engine}",
            lambda: route_workflow(DOCUMENT, engine_preference=engine, force_engine=True),  # noqa: B023
            runs,
            requests,
        )


def main() -> None:
    """Start an installation, compare, stop it."""
    from control.home import Home
    from control.options import Options
    from control.supervisor import down, up

    with tempfile.TemporaryDirectory() as folder:
        os.environ["OPSCONDUCTOR_HOME"] = folder
        home = Home(Path(folder))
        installation = up(home, port=None, options=Options(), on_progress=lambda _: None)
        os.environ |= installation.environment() | {"PREFECT_LOGGING_TO_API_ENABLED": "false"}
        os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
        try:
            asyncio.run(compare(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
        finally:
            down(home)


if __name__ == "__main__":
    main()
