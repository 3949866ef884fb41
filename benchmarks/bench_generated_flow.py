"""A generated flow against the same flow written by hand with plain Prefect tasks, on the same server.

    python benchmarks/bench_generated_flow.py [--rounds 5]

Both have one task for each step; by hand they are awaited one after the other, or gathered. The two take
turns, so that what else the machine does falls on both alike. Goal: a ratio of 1.0, at most 1.1.
"""

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.testing.utilities import prefect_test_harness

from codegen.document import parse
from codegen.registry import Registry
from codegen.workflow import Workflow

SIZES = (10, 100)
AnyFlow = Callable[[], Awaitable[Any]]


def document(steps: int, *, parallel: bool) -> Workflow:
    """Steps that do nothing, in a chain or side by side."""
    listed: list[dict[str, Any]] = [{"id": f"s{n}", "type": "wait", "duration": 0} for n in range(steps)]
    if parallel:
        listed = [{"id": "all", "type": "parallel", "steps": listed}]
    return parse({"name": f"{'Parallel' if parallel else 'Chain'} of {steps}", "steps": listed})


def by_hand(steps: int, *, parallel: bool) -> AnyFlow:
    """The same work as people write it."""

    async def work() -> None:
        await asyncio.sleep(0)

    tasks = [task(name=f"s{n}", task_run_name=f"s{n}")(work) for n in range(steps)]

    @flow(name=f"By hand: {'parallel' if parallel else 'chain'} of {steps}")
    async def run() -> dict[str, Any]:
        if parallel:
            await asyncio.gather(*(one() for one in tasks))
        else:
            for one in tasks:
                await one()
        return {}

    return run


async def costs(one: AnyFlow) -> tuple[float, float]:
    """Seconds of wall time and of CPU time, which is the flow's own and not the server's."""
    begun, used = time.perf_counter(), time.process_time()
    await one()
    return time.perf_counter() - begun, time.process_time() - used


async def compare(registry: Registry, rounds: int) -> None:
    """Print a table."""
    print(f"{'':<18} {'wall time':^30} {'CPU time':^30}")
    print(f"{'flow':<18}" + f" {'by hand':>11} {'generated':>11} {'ratio':>6}" * 2)
    for steps in SIZES:
        for parallel in (False, True):
            workflow = document(steps, parallel=parallel)
            generated: AnyFlow = registry.load(registry.get_or_create(workflow))
            plain = by_hand(steps, parallel=parallel)
            await plain()
            await generated()
            pairs = [(await costs(plain), await costs(generated)) for _ in range(rounds)]
            print(f"{workflow.name:<18}{_row(pairs, 0)}{_row(pairs, 1)}", flush=True)


def _row(pairs: list[tuple[tuple[float, float], tuple[float, float]]], kind: int) -> str:
    """Medians of both, and the median of their ratios round by round."""
    before, after = (
        statistics.median(times[kind] for times in column) for column in zip(*pairs, strict=True)
    )
    ratio = statistics.median(after[kind] / before[kind] for before, after in pairs)
    return f" {before:>9.3f} s {after:>9.3f} s {ratio:>6.2f}"


def main() -> None:
    """Start a server and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    logging.getLogger("prefect").setLevel(logging.ERROR)
    with prefect_test_harness(server_startup_timeout=180), tempfile.TemporaryDirectory() as folder:
        logging.getLogger("prefect").setLevel(logging.ERROR)
        asyncio.run(compare(Registry(Path(folder)), rounds))


if __name__ == "__main__":
    main()
