"""Large documents on both engines, with steps that do nothing: time, and memory at its peak.

    python benchmarks/bench_scale.py [--engine celery|prefect] [SIZE...]

Each run has a process of its own, so that its peak of memory is its own; the first line of an engine is a
document of one step, the ground that the others stand on. "celery" is what its worker does with a document,
"prefect" the generated flow, one task run for each step.
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.settings import get_current_settings
from prefect.testing.utilities import prefect_test_harness

from codegen.document import parse
from codegen.registry import Registry
from codegen.workflow import Workflow
from steps.interpreter import interpret

ENGINES = ("celery", "prefect")
Listed = list[dict[str, Any]]


def step(id: str, **more: Any) -> dict[str, Any]:
    """A step that does nothing."""
    return {"id": id, "type": "wait", "duration": 0, **more}


def chain(size: int) -> Listed:
    """Each after the one before it."""
    return [step(f"s{n}") for n in range(size)]


def wide(size: int) -> Listed:
    """Two halves side by side, the second after a step that waits for all of the first."""
    half = size // 2
    first = [step(f"a{n}", depends_on=[]) for n in range(half)]
    join = step("join", depends_on=[f"a{n}" for n in range(half)])
    return [*first, join, *(step(f"b{n}", depends_on=["join"]) for n in range(size - half - 1))]


def backwards(size: int) -> Listed:
    """A chain that is written down from its end."""
    return [step(f"s{n}", depends_on=[f"s{n - 1}"] if n else []) for n in reversed(range(size))]


SHAPES: dict[str, Callable[[int], Listed]] = {"chain": chain, "wide": wide, "backwards": backwards}


def run(engine: str, shape: str, size: int) -> tuple[float, float]:
    """Seconds, and megabytes at the peak."""
    document = parse({"name": f"{shape} of {size}", "steps": SHAPES[shape](size)})
    logging.getLogger("prefect").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        seconds = asyncio.run(_run(engine, document, Registry(Path(folder))))
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _run(engine: str, document: Workflow, registry: Registry) -> float:
    if engine == "celery":
        begun = time.perf_counter()
        report = await interpret(document, run_id="bench").run()
        if not report.success:
            raise RuntimeError(f"{document.name}: {report.error}")
    else:
        flow = registry.load(registry.get_or_create(document))
        begun = time.perf_counter()
        await flow()
    return time.perf_counter() - begun


@contextmanager
def server(engine: str) -> Iterator[None]:
    """A Prefect server where the engine needs one."""
    if engine == "celery":
        yield
        return
    logging.getLogger("prefect").setLevel(logging.CRITICAL)
    with prefect_test_harness(server_startup_timeout=180):
        os.environ["PREFECT_API_URL"] = str(get_current_settings().api.url)  # for the processes of the runs
        yield


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[500, 1000, 2000])
    parser.add_argument("--engine", choices=ENGINES)
    given = parser.parse_args()
    print(f"{'engine':<9}{'shape':<11}{'steps':>6}{'seconds':>10}{'ms a step':>11}{'MB':>7}")
    for engine in [given.engine] if given.engine else ENGINES:
        with server(engine), multiprocessing.get_context("forkserver").Pool(1, maxtasksperchild=1) as pool:
            for shape, size in [("chain", 1), *((shape, size) for shape in SHAPES for size in given.sizes)]:
                seconds, megabytes = pool.apply(run, (engine, shape, size))
                row = f"{engine:<9}{shape:<11}{size:>6}{seconds:>10.3f}{seconds / size * 1000:>11.3f}"
                print(f"{row}{megabytes:>7.0f}", flush=True)


if __name__ == "__main__":
    main()
