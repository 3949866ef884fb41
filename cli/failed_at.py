"""Where in its file the step stands whose failure a run ended with."""

from cli.sources import shown_name, text_of
from codegen.document import placed
from codegen.errors import DocumentError, Problem
from codegen.lists import every_step
from codegen.result import RunResult
from codegen.workflow import Workflow


def failed_at(file: str, workflow: Workflow, result: RunResult) -> str | None:
    """`disk.yaml:7:5`, as editors jump to; None where no step is the reason, or there is no file."""
    if result.success or result.cancelled or result.error_message is None:
        return None
    for path, step in every_step(workflow):
        record = result.steps.get(step.id)
        error = record.error if record is not None else None
        if error is not None and error.step == step.id and error.message in result.error_message:
            return _place(file, path)
    return None


def _place(file: str, path: str) -> str | None:
    """None also where the file is another one by now, or gone: the run may have taken days."""
    name = shown_name(file)
    try:
        text = text_of(file)
        if text is None:
            return None
        (found,) = placed([Problem(path, "")], text, file=name)
    except (OSError, UnicodeDecodeError, DocumentError):
        return None
    return f"{name}:{found.line}:{found.column}" if found.line else None
