"""How long it takes from the wish to cancel many runs on Celery at once until nothing of them runs any more.

All are under way, each in a thread of one worker, with a process of its own. Run it from the root:
`python -m benchmarks.bench_cancelling [RUNS]`.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from uuid import uuid4

from celery_bridge.remote import Link, link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from codegen.reasons import cancellation
from codegen.result import Report
from steps.events import Event
from tests.integration.brokers import redis_server, worker

RUNS = 250
PROGRAM = "import os, signal, time; print(os.getpid(), flush=True); time.sleep(3600)"
DOCUMENT = {
    "name": "to be cancelled",
    "steps": [
        {"id": "work", "type": "command", "command": ["python3", "-c", PROGRAM]},
        {"id": "never", "type": "command", "command": "true"},
    ],
}


class Run:
    """One run: begun once its program has told its process id."""

    def __init__(self, link: Link) -> None:
        self.pid = asyncio.get_running_loop().create_future()
        self.work = asyncio.create_task(
            run_remotely(link, Submission(DOCUMENT, {}, [], str(uuid4())), self._hear)
        )

    def _hear(self, event: Event) -> None:
        if event.kind == "line" and event.text.isdigit() and not self.pid.done():
            self.pid.set_result(int(event.text))

    async def cancelled(self) -> tuple[float, float, Report]:
        """Seconds until its program has ended, and until its report is here."""
        pid, asked = await self.pid, time.perf_counter()
        self.work.cancel()
        while os.path.exists(f"/proc/{pid}"):  # noqa: ASYNC110, ASYNC240 - outside of this process, and no disk
            await asyncio.sleep(0.005)
        dead = time.perf_counter() - asked
        report = await self.work
        return dead, time.perf_counter() - asked, report


async def measured(settings: BridgeSettings, count: int) -> list[tuple[float, float, Report]]:
    """All of them, cancelled at the same moment."""
    link = link_to(settings)
    runs = [Run(link) for _ in range(count)]
    await asyncio.gather(*(run.pid for run in runs))
    return await asyncio.gather(*(run.cancelled() for run in runs))


def main() -> None:
    """Print what it took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = ("--pool", "threads", f"--concurrency={count}")
        with redis_server(folder) as server, worker(folder, server.url, server.url, *options):
            ends = asyncio.run(measured(BridgeSettings.of(server.url, worker_timeout=300), count))
    for what, times in (
        ("process dead", [end[0] for end in ends]),
        ("report here", [end[1] for end in ends]),
    ):
        print(f"{what:<16}{median(times):>8.2f} s median{max(times):>8.2f} s at most")
    said = Counter(cancellation(report) for _, _, report in ends)
    for text, number in said.most_common(5):
        print(f"{number:>4} x {text}")


if __name__ == "__main__":
    main()
