"""What one process uses that follows many runs at the same time: while they wait, and until all have ended.

Run: `python -m benchmarks.bench_follower [runs]`. They wait behind a run that the only process of the worker
is at.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from redis import Redis

from benchmarks.usage import machine, megabytes
from celery_bridge.channel import Keys
from celery_bridge.follower import NAME
from celery_bridge.priorities import redis_lists
from celery_bridge.remote import Link, link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from codegen.result import Report
from tests.integration.brokers import redis_server, worker
from tests.unit.waiting import wait_until

SECONDS = 20.0
FETCHED = 1  # the worker has its next message in hand
NOTHING = {"name": "nothing", "steps": [{"id": "a", "type": "set", "values": {"x": 1}}]}


def blocks(gate: Path) -> dict[str, object]:
    """A workflow that goes on while there is no file of that name."""
    command = f"until [ -e {gate} ]; do sleep 0.1; done"
    return {"name": "blocks", "steps": [{"id": "a", "type": "command", "command": command}]}


async def run(link: Link, document: dict[str, Any]) -> Report:
    """Submit and follow."""
    return await run_remotely(link, Submission(document, {}, [], str(uuid4())))


async def measured(url: str, folder: Path, runs: int) -> None:
    """Print the table."""
    link, gate = link_to(BridgeSettings.of(url)), folder / "gate"
    with Redis.from_url(url) as redis:
        first = asyncio.create_task(run(link, blocks(gate)))
        await wait_until(lambda: bool(redis.keys(Keys("*").lease)))
        memory, used = megabytes(os.getpid()), time.process_time()
        others = [asyncio.create_task(run(link, NOTHING)) for _ in range(runs)]
        await wait_until(lambda: queued(redis, link.settings.queue) >= runs - FETCHED)
        show("CPU for each to be sent", (time.process_time() - used) / runs * 1000, "ms")
        show("memory for all", megabytes(os.getpid()) - memory, "MB")
        show("connections to the result backend", connections(redis), "")
        used = time.process_time()
        await asyncio.sleep(SECONDS)
        show("CPU while nothing happens", (time.process_time() - used) / SECONDS * 100, "% of a core")
        used = time.process_time()
        gate.touch()
        assert all(report.success for report in await asyncio.gather(first, *others))
        show("CPU for each to be followed to its end", (time.process_time() - used) / runs * 1000, "ms")


def queued(redis: Redis, queue: str) -> int:
    """How many messages wait."""
    return sum(int(redis.llen(one)) for one in redis_lists(queue))


def connections(redis: Redis) -> int:
    """How many there are that have the follower's name."""
    return sum(client["name"] == NAME for client in redis.client_list())


def show(text: str, value: float, unit: str) -> None:
    """A line of the table."""
    print(f"{text:<40}{value:>8.{0 if unit in ('', 'MB') else 2}f} {unit}")


def main() -> None:
    """Measure with as many runs as are asked for."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"{runs} runs in flight, {machine()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with redis_server(folder) as server, worker(folder, server.url, server.url, "--concurrency=1"):
            asyncio.run(measured(server.url, folder, runs))


if __name__ == "__main__":
    main()
