"""What the interpreter adds to a step, beside a bare asyncio loop that does nothing in the same order.

    python benchmarks/bench_interpreter.py [STEPS]

Prints microseconds per step for a chain, a fan-in and one step over many items.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from codegen.workflow import Workflow
from steps.interpreter import interpret
from steps.scope import Outcome, Scope

ROUNDS = 3


async def nothing(_scope: Scope, /, **_keys: Any) -> Outcome:
    """A step without work, so that only the interpreter's own costs are left."""
    return Outcome()


def workflow(*steps: dict[str, Any]) -> Workflow:
    """A document of these steps."""
    return Workflow.model_validate({"name": "bench", "steps": list(steps)})


def step(id: str, **more: Any) -> dict[str, Any]:
    """A step that does nothing."""
    return {"id": id, "type": "stop", **more}


def interpreted(document: Workflow) -> Callable[[], Awaitable[Any]]:
    """One run of a document by the interpreter."""
    return lambda: interpret(document, run_id="bench", executors={"stop": nothing}).run()


async def chained_tasks(count: int) -> None:
    """The baseline of a chain: one task after the other."""
    for _ in range(count):
        await asyncio.create_task(asyncio.sleep(0))


async def gathered_tasks(count: int) -> None:
    """The baseline of a fan-in and of a fan-out: all tasks at once."""
    await asyncio.gather(*(asyncio.create_task(asyncio.sleep(0)) for _ in range(count)))


async def seconds(run: Callable[[], Awaitable[Any]]) -> float:
    """The best of a few rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await run()
        best = min(best, time.perf_counter() - started)
    return best


async def main(count: int) -> None:
    """Measure and print."""
    wide = [step(f"s{i}", depends_on=[]) for i in range(count)]
    join = step("join", depends_on=[f"s{i}" for i in range(count)])
    shapes = {
        "chain": (workflow(*(step(f"s{i}") for i in range(count))), chained_tasks),
        "fan-in": (workflow(*wide, join), gathered_tasks),
        "for_each": (workflow(step("s", for_each=list(range(count)))), gathered_tasks),
    }
    print(f"{count} steps that do nothing, microseconds per step, best of {ROUNDS}")
    print(f"{'':10}{'bare asyncio':>14}{'interpreter':>14}")
    for name, (document, baseline) in shapes.items():
        bare = await seconds(lambda run=baseline: run(count))  # type: ignore[misc]
        ours = await seconds(interpreted(document))
        print(f"{name:10}{bare / count * 1e6:14.1f}{ours / count * 1e6:14.1f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000))
