"""CPU time of routing decisions, beside the validation of the same document by its models.

Shapes: `chain` (each step after the one before), `layered` (parallel groups of ten in a row), `wide` (all at
once), `woven` (each step after two random ones of the fifty before it: no shortcut applies, the width is a
maximum antichain). The exponent is the slope of time over steps from 100 steps on: 1 is linear.
"""

import math
import random
import time
from collections.abc import Callable
from typing import Any

from codegen.routing import decide
from codegen.workflow import Workflow

SIZES = (10, 100, 1_000, 2_000, 4_000)
SECONDS = 0.3
Spec = dict[str, Any]


def step(number: int, **keys: Any) -> Spec:
    """A command, with a retry on every third and a condition on every fifth."""
    often = {"retry": {"attempts": 3}} if number % 3 == 0 else {}
    sometimes = {"when": "params.x"} if number % 5 == 0 else {}
    return {"id": f"s{number}", "type": "command", "command": "true", **often, **sometimes, **keys}


def chain(size: int) -> list[Spec]:
    """Steps in a row."""
    return [step(number) for number in range(size)]


def layered(size: int) -> list[Spec]:
    """Groups of ten in a row."""
    return [
        {"id": f"g{first}", "type": "parallel", "steps": [step(first + n) for n in range(10)]}
        for first in range(0, size, 10)
    ]


def wide(size: int) -> list[Spec]:
    """Steps side by side."""
    return [step(number, depends_on=[]) for number in range(size)]


def woven(size: int) -> list[Spec]:
    """Steps that each wait for two of the fifty before."""
    chosen = random.Random(1)
    return [
        step(number, depends_on=sorted({f"s{chosen.randrange(max(0, number - 50), number)}" for _ in "ab"}))
        if number
        else step(number)
        for number in range(size)
    ]


def cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU for one call: the best of several."""
    best, end = math.inf, time.perf_counter() + SECONDS
    while time.perf_counter() < end or best is math.inf:
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def exponent(times: list[float]) -> float:
    """The slope from the second size to the last, on a double logarithmic scale."""
    return math.log(times[-1] / times[1]) / math.log(SIZES[-1] / SIZES[1])


def main() -> None:
    """Print one line for each shape and size, and the growth of each shape."""
    print(f"{'shape':8} {'steps':>6} {'validate ms':>12} {'decide ms':>10} {'ratio':>7}")
    for shape in (chain, layered, wide, woven):
        baseline, decided = [], []
        for size in SIZES:
            data = {"name": "bench", "steps": shape(size)}
            workflow = Workflow.model_validate(data)
            baseline.append(cpu(lambda data=data: Workflow.model_validate(data)))  # type: ignore[misc]
            decided.append(cpu(lambda workflow=workflow: decide(workflow)))  # type: ignore[misc]
            print(
                f"{shape.__name__:8} {size:6} {baseline[-1] * 1e3:12.2f} {decided[-1] * 1e3:10.2f}"
                f" {decided[-1] / baseline[-1]:7.2f}"
            )
        growth = f"validate n^{exponent(baseline):.2f}, decide n^{exponent(decided):.2f}"
        print(f"{shape.__name__:8} growth: {growth}")


if __name__ == "__main__":
    main()
