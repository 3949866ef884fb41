"""Every step list of a document: its sections, and the handlers that single steps bring along."""

from collections.abc import Iterator

from codegen.groups import Step, branches, walk
from codegen.workflow import Workflow, sections


def step_lists(workflow: Workflow) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The lists that run on their own, with their paths: sections, `on_error` and `rollback` of any step."""
    for section, steps in sections(workflow):
        yield from _with_handlers(section, steps)


def every_step(workflow: Workflow) -> Iterator[tuple[str, Step]]:
    """Every step with its path, groups before their children, handler steps after their section."""
    for path, steps in step_lists(workflow):
        yield from walk(steps, path)


def fan_outs(workflow: Workflow) -> dict[str, int]:
    """How many fan-outs lie around the executions of each step, its own included."""
    depths: dict[str, int] = {}
    for _, step in every_step(workflow):  # groups before their children, a step before its handlers
        depth = depths.get(step.id, 0) + (step.on is not None or step.for_each is not None)
        handlers = (*(step.on_error.steps if step.on_error else ()), *step.rollback)
        inside = (one for _, steps in branches(step) for one in steps)
        depths |= {step.id: depth} | {inner.id: depth for inner in (*handlers, *inside)}
    return depths


def _with_handlers(path: str, steps: tuple[Step, ...]) -> Iterator[tuple[str, tuple[Step, ...]]]:
    if steps:
        yield path, steps
    for place, step in walk(steps, path):
        if step.on_error is not None:
            yield from _with_handlers(f"{place}.on_error.steps", step.on_error.steps)
        if step.rollback:
            yield from _with_handlers(f"{place}.rollback", step.rollback)
