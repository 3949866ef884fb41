"""From the wish to end a run to the death of all that its step had started, and to the report.

Run: `python -m benchmarks.bench_cancel [runs]`. Goal: the processes are dead within a second at the median.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from uuid import uuid4

from benchmarks.usage import machine
from celery_bridge.remote import Link, link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from tests.integration.brokers import redis_server, worker

PATIENCE = 60.0
LOOK_EVERY = 0.002


def document(pids: Path) -> dict[str, object]:
    """A shell with a child, which both say who they are and stay."""
    command = f"(echo $$; sh -c 'echo $$; exec sleep 1000' & wait) | tee {pids}"
    return {"name": "stays", "steps": [{"id": "stays", "type": "command", "command": command}]}


async def cancelled(link: Link, folder: Path) -> tuple[float, float]:
    """Seconds until the processes were dead, and until the report was here."""
    file = folder / str(uuid4())
    run = asyncio.create_task(run_remotely(link, Submission(document(file), {}, [], str(uuid4()))))
    await until(lambda: len(started(file)) == 2)
    pids = started(file)
    await asyncio.sleep(random.random())  # the worker looks for the wish now and then
    begun = time.perf_counter()
    run.cancel()
    dead = asyncio.create_task(seconds_until(lambda: not any(map(lives, pids))))
    report = await run
    reported = time.perf_counter() - begun
    assert report.cancelled
    return await dead, reported


def started(file: Path) -> list[int]:
    """The processes that have said so."""
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def lives(pid: int) -> bool:
    """Whether a process is there that is not just waiting for its parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def seconds_until(condition: Callable[[], bool]) -> float:
    """How long it takes to become so."""
    begun = time.perf_counter()
    await until(condition)
    return time.perf_counter() - begun


async def until(condition: Callable[[], bool]) -> None:
    """Look until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what it waits for is outside of this process
            await asyncio.sleep(LOOK_EVERY)


async def measured(settings: BridgeSettings, folder: Path, runs: int) -> list[tuple[float, float]]:
    """One after the other."""
    link = link_to(settings)
    return [await cancelled(link, folder) for _ in range(runs)]


def main() -> None:
    """Print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with redis_server(folder) as server, worker(folder, server.url, server.url):
            times = asyncio.run(measured(BridgeSettings.of(server.url), folder, runs))
    print(f"{runs} runs on {machine()} {'median':>20} {'worst':>10}")
    for text, column in zip(
        ("processes dead after", "reported after"), zip(*times, strict=True), strict=True
    ):
        print(f"{text:<34} {median(column):>10.2f} s {max(column):>8.2f} s")
    print("goal: dead within 1 s at the median")


if __name__ == "__main__":
    main()
