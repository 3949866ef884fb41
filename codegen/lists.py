"""Every step list of a document: its sections, and the handlers that single steps bring along."""

from collections.abc import Iterator

from codegen.workflow import Step, Workflow, sections, walk


def step_lists(workflow: Workflow) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The lists that run on their own, with their paths: sections, `on_error` and `rollback` of any step."""
    for section, steps in sections(workflow):
        yield from _with_handlers(section, steps)


def every_step(workflow: Workflow) -> Iterator[tuple[str, Step]]:
    """Every step with its path, groups before their children, handler steps after their section."""
    for path, steps in step_lists(workflow):
        yield from walk(steps, path)


def _with_handlers(path: str, steps: tuple[Step, ...]) -> Iterator[tuple[str, tuple[Step, ...]]]:
    if steps:
        yield path, steps
    for place, step in walk(steps, path):
        if step.on_error is not None:
            yield from _with_handlers(f"{place}.on_error.steps", step.on_error.steps)
        if step.rollback:
            yield from _with_handlers(f"{place}.rollback", step.rollback)
