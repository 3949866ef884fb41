"""Rendering: milliseconds for 10, 100 and 1,000 steps, beside what Python and ruff need for the same source.

    python benchmarks/bench_render.py

Goals: 10 steps under 20 ms without formatting, 1,000 steps under 1 s, growing no faster than the steps.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from codegen.document import parse
from codegen.render import render
from codegen.rendering.formatting import formatted
from codegen.workflow import Workflow

SIZES = (10, 100, 1000)


def document(steps: int) -> Workflow:
    """A chain with a group and a condition for every ten steps."""
    listed: list[dict[str, Any]] = []
    for number in range(0, steps, 10):
        block = [_step(number + place) for place in range(10)]
        listed += block[:4]
        listed.append({"id": f"group_{number}", "type": "parallel", "steps": block[4:7]})
        condition = {
            "id": f"choice_{number}",
            "type": "condition",
            "when": f"steps.s{number}.status == 'succeeded'",
        }
        listed.append({**condition, "then": block[7:9], "else": block[9:]})
    return parse({"name": "Benchmark", "parameters": {"path": {"default": "/"}}, "steps": listed})


def _step(number: int) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "type": "command",
        "description": f"Step number {number} of the benchmark.",
        "command": "df --output=pcent {{ params.path }} | tail -1",
        "retry": {"attempts": 3, "delay": "2s", "backoff": 2},
        "timeout": "30s",
        "outputs": {"percent": "{{ result.stdout | trim | replace('%', '') | int }}"},
    }


def milliseconds(work: Callable[[], Any], times: int) -> float:
    """The best of some tries, in CPU time: other work on the machine does not count."""
    best = float("inf")
    for _ in range(times):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best * 1000


def elapsed(work: Callable[[], Any], times: int) -> float:
    """The best of some tries, in wall time: for work that another process does."""
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best * 1000


def main() -> None:
    """Print a table."""
    render(document(10), formatted=False)
    print(f"{'steps':>6} {'render':>10} {'per step':>10} {'compile()':>10} {'ruff format':>12}")
    for steps in SIZES:
        workflow = document(steps)
        source = render(workflow, formatted=False)
        took = milliseconds(partial(render, workflow, formatted=False), 5)
        compiling = milliseconds(partial(compile, source, "flow.py", "exec"), 5)
        formatting = elapsed(partial(formatted, source), 3)
        print(
            f"{steps:>6} {took:>7.1f} ms {took / steps:>7.3f} ms {compiling:>7.1f} ms {formatting:>9.1f} ms"
        )


if __name__ == "__main__":
    main()
