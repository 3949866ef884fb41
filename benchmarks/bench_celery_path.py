"""What a workflow costs on its way through Celery, beside `send_task` and `get` of a task that does nothing.

Both go through the same broker and the same worker, in turn, so that a busy machine slows both. Run it from
the root: `python -m benchmarks.bench_celery_path`.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

from celery import Celery

from celery_bridge.app import make_app
from celery_bridge.remote import Link, link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from tests.integration.brokers import redis_server, worker

ROUNDS = 300
IN_FLIGHT = 1000
NOTHING = "bench.nothing"
DOCUMENT = {"name": "one step", "steps": [{"id": "a", "type": "set", "values": {"x": 1}}]}
TASK = f"""
from celery import shared_task

@shared_task(name={NOTHING!r}, acks_late=True, reject_on_worker_lost=True, track_started=True)
def nothing(**document):
    return {{"x": 1}}
"""


def send_and_get(app: Celery) -> None:
    """The baseline: an equal message, an equal way of acknowledging, and a result."""
    app.send_task(NOTHING, kwargs={"document": DOCUMENT}).get(timeout=30)


async def submit_and_follow(link: Link) -> None:
    """The same through the bridge: recorded, sent, claimed, interpreted, streamed, reported."""
    report = await run_remotely(link, Submission(DOCUMENT, {}, [], str(uuid4())))
    assert report.success


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    await work()
    return (time.perf_counter() - start) * 1000


async def in_turn(settings: BridgeSettings, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each round of both ways."""
    app, link = make_app(settings), link_to(settings)
    baseline, bridge = [], []
    for _ in range(rounds):
        baseline.append(await timed(lambda: asyncio.to_thread(send_and_get, app)))
        bridge.append(await timed(lambda: submit_and_follow(link)))
    return baseline, bridge


async def at_once(settings: BridgeSettings, runs: int) -> float:
    """Runs a second, all of them in flight together."""
    link = link_to(settings)
    start = time.perf_counter()
    await asyncio.gather(*(submit_and_follow(link) for _ in range(runs)))
    return runs / (time.perf_counter() - start)


def row(name: str, times: list[float]) -> str:
    """A line of the table."""
    return f"{name:<24}{median(times):>8.1f} ms{quantiles(times, n=20)[-1]:>8.1f} ms{min(times):>8.1f} ms"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_nothing.py").write_text(TASK)
        with redis_server(folder) as server, worker(folder, server.url, server.url, "-I", "bench_nothing"):
            settings = BridgeSettings.of(server.url)
            asyncio.run(in_turn(settings, ROUNDS // 10))
            baseline, bridge = asyncio.run(in_turn(settings, ROUNDS))
            rate = asyncio.run(at_once(settings, IN_FLIGHT))
    print(f"{'':<24}{'median':>11}{'95 %':>11}{'best':>11}")
    print(row("send_task + get", baseline))
    print(row("submit + follow", bridge))
    print(f"more than the baseline: {median(bridge) - median(baseline):.1f} ms (goal: under 10)")
    print(f"{IN_FLIGHT} runs in flight: {rate:.0f} a second")


if __name__ == "__main__":
    main()
