"""From which steps of a document a run can be tried again."""

from collections.abc import Iterator

from codegen.groups import Step, walk
from codegen.suggestions import Suggestions, listed
from codegen.workflow import Workflow, sections


def why_not_from(workflow: Workflow, start: str) -> tuple[str, str] | None:
    """Why a run can't be tried again from a step of this name, and the cure; None: it can."""
    steps = [step for path, some in sections(workflow) for _, step in walk(some, path)]
    known = [step.id for step in steps]
    if start in known:
        return None
    owner = next((step.id for step in steps if start in _handling(step)), None)
    if owner is not None:
        return f"{start!r} deals with what {owner!r} did, and is done again with that", f"name {owner!r}"
    meant = Suggestions().closest(start, known)
    perhaps = f", did you mean {meant!r}" if meant is not None else ""
    return f"it has no step {start!r:.200}{perhaps}", f"name one of: {listed(known)}"


def _handling(step: Step) -> Iterator[str]:
    """The handlers and undos of a step, and theirs."""
    handlers = (*(step.on_error.steps if step.on_error is not None else ()), *step.rollback)
    for _, handler in walk(handlers):
        yield handler.id
        yield from _handling(handler)
