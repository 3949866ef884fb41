"""Runs workflows on Celery while it kills what they run on, and looks at what they left behind.

    python -m tests.chaos --runs 100 --seed 1

Two workers, a Redis with an append-only file; all that `tests.chaos.faults` knows is done to them at random.
A run that is given up is tried again, as a person would. Ends with 1
where anything that is promised isn't so, or where a run has no end.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from celery_bridge.background import alongside
from celery_bridge.errors import BridgeError
from celery_bridge.remote import Link, link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from codegen.result import Report
from tests.chaos.faults import Stage, chosen
from tests.chaos.workload import Order, broken_promises, late_effects, order
from tests.integration.brokers import Worker, redis_server

MOST_TRIES = 6
LONGEST = 300.0
LONGEST_STEP = 5.0


async def torment(stage: Stage, every: float) -> None:
    """Bring about one fault after the other."""
    while True:
        await asyncio.sleep(stage.rng.uniform(0.5, 1.5) * every)
        await asyncio.to_thread(stage.inflict, chosen(stage.rng))


async def performed(link: Link, one: Order, tries: Counter[str], rng: random.Random) -> Report | None:
    """Run an order to its end; one that was given up is tried again. None: it was given up each time."""
    submission = one.submission
    for _ in range(MOST_TRIES):
        running = asyncio.create_task(run_remotely(link, submission))
        if one.cancelled:
            await asyncio.sleep(rng.uniform(0.2, 2))
            running.cancel()
        try:
            return await running
        except (BridgeError, asyncio.CancelledError) as error:
            tries[type(error).__name__] += 1
            submission = replace(submission, again=True)
            await asyncio.sleep(1)
    return None


async def chaos(settings: BridgeSettings, stage: Stage, runs: int, folder: Path, every: float) -> int:
    """How many promises were broken."""
    link, tries, broken, ends = link_to(settings), Counter[str](), 0, Counter[str]()
    receipts: list[tuple[Order, list[str]]] = []
    places = asyncio.Semaphore(16)
    orders = [order(folder, stage.rng) for _ in range(runs)]

    async def one(wanted: Order) -> None:
        nonlocal broken
        async with places:
            try:
                async with asyncio.timeout(LONGEST):
                    report = await performed(link, wanted, tries, random.Random(wanted.submission.run_id))
            except TimeoutError:
                broken += 1
                print(f"{wanted.submission.run_id}: no end after {LONGEST:.0f} s")
                return
        ends[_end(report)] += 1
        if report is not None and report.cancelled:
            receipts.append((wanted, wanted.course()))
        for promise in broken_promises(wanted, report):
            broken += 1
            print(f"{wanted.submission.run_id}: {promise}; left behind: {wanted.course()}")

    began = time.monotonic()
    async with alongside(torment(stage, every)) as tormenting:
        await asyncio.gather(*map(one, orders))
        if tormenting.done():
            tormenting.result()
    took = time.monotonic() - began
    await asyncio.sleep(LONGEST_STEP)
    for wanted, receipt in receipts:
        for promise in late_effects(wanted, receipt):
            broken += 1
            print(f"{wanted.submission.run_id}: {promise}; left behind: {wanted.course()}")
    print(f"{runs} runs in {took:.0f} s: {dict(ends)}; faults: {dict(stage.faults)}; given up: {dict(tries)}")
    return broken


def _end(report: Report | None) -> str:
    if report is None:
        return "given up"
    if any(record.status == "lost" for record in report.steps.values()):
        return "lost"
    return "cancelled" if report.cancelled else "succeeded" if report.success else "failed"


def main() -> None:
    """Torment, and tell what came of it."""
    parser = argparse.ArgumentParser(description="Runs workflows while it kills what they run on.")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between faults, on average")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        for part in ("redis", "one", "two", "effects"):
            (folder / part).mkdir()
        redis = stack.enter_context(redis_server(folder / "redis"))
        workers = [
            Worker(folder / part, redis.url, redis.url, "--concurrency=4", f"--hostname={part}@chaos")
            for part in ("one", "two")
        ]
        for worker in workers:
            worker.start()
            stack.callback(worker.end)
        stage = Stage(redis, workers, random.Random(asked.seed))
        settings = replace(BridgeSettings.of(redis.url), lost_after=20.0)
        broken = asyncio.run(chaos(settings, stage, asked.runs, folder / "effects", asked.every))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
