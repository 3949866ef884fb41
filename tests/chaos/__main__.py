"""Runs workflows on Celery while it kills what they run on, and looks at what they left behind.

    python -m tests.chaos --runs 100 --seed 1

Two workers, a Redis with an append-only file; all that `tests.chaos.faults` knows is done to them at random.
A run that is given up is tried again, as a person would. Ends with 1 where anything that is promised isn't
so, or where a run has no end; with 2 where time was up for all before each had its end.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from celery_bridge.settings import BridgeSettings
from tests.chaos.faults import Stage
from tests.chaos.report import page
from tests.chaos.trial import Trial, tell
from tests.chaos.workload import order
from tests.integration.brokers import Worker, rabbitmq_server, redis_server


def main() -> None:
    """Torment, and tell what came of it."""
    asked = _parser().parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        stage = _stage(folder, stack, asked)
        trial = Trial([order(folder / "effects", stage.rng) for _ in range(asked.runs)])
        broker = stage.rabbitmq.url if stage.rabbitmq else stage.redis.url
        settings = replace(BridgeSettings.of(broker, stage.redis.url), lost_after=20.0)
        within = asked.within or 300 + 2 * asked.runs
        asyncio.run(trial.run(settings, stage, asked.every, within))
        if asked.report:
            asked.report.write_text(page(asked, stage, trial), encoding="utf-8")
    tell(f"{trial.so_far(stage)}; in {trial.seconds:.0f} s, the slowest in {trial.slowest:.0f} s")
    if trial.broken:
        sys.exit(f"{trial.broken} promises were broken")
    if trial.left:
        tell(f"time was up after {within:.0f} s, and {trial.left} had not ended")
        sys.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Runs workflows while it kills what they run on.")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=2.0, help="seconds between faults, on average")
    parser.add_argument("--broker", choices=["redis", "rabbitmq"], default="redis")
    parser.add_argument("--only", default="", metavar="NAME", help="only faults with this in their names")
    parser.add_argument("--within", type=float, help="seconds for all (default: 300, and 2 for each run)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what came of it there, for people")
    return parser


def _stage(folder: Path, stack: ExitStack, asked: argparse.Namespace) -> Stage:
    for part in ("redis", "rabbitmq", "one", "two", "effects"):
        (folder / part).mkdir()
    redis = stack.enter_context(redis_server(folder / "redis"))
    rabbitmq = None
    if asked.broker == "rabbitmq":
        rabbitmq = stack.enter_context(rabbitmq_server(folder / "rabbitmq"))
    broker = rabbitmq.url if rabbitmq else redis.url
    workers = [
        Worker(folder / part, broker, redis.url, "--concurrency=4", f"--hostname={part}@chaos")
        for part in ("one", "two")
    ]
    for worker in workers:
        worker.start()
        stack.callback(worker.end)
    return Stage(redis, workers, random.Random(asked.seed), rabbitmq, asked.only)


if __name__ == "__main__":
    main()
