"""A leaf step as a Prefect task."""

from collections.abc import Mapping

from codegen.leaves import Leaf, own_fields
from codegen.naming import words
from codegen.rendering.context import Argument, Call, Task
from codegen.source import docstring, literal, prose
from codegen.step import JITTER, MOST_DELAYS, Retry

INDENT = 4
EXECUTORS: Mapping[str, tuple[str, str]] = {
    "approval": ("approval", "message"),
    "celery_task": ("celery_task", "task"),
    "command": ("command", "command"),
    "emit": ("emit", "event"),
    "fail": ("fail", "message"),
    "http": ("http", "url"),
    "listen": ("listen", "event"),
    "notification": ("notification", "message"),
    "python": ("python", "call"),
    "script": ("script", "script"),
    "set": ("set_values", "values"),
    "stop": ("stop", "message"),
    "validation": ("validation", "that"),
    "wait": ("wait", "duration"),
    "workflow": ("run_workflow", "workflow"),
}
"""For each type of step its executor, and the key that the executor takes first."""


def task(step: Leaf, function: str, *, fans_out: bool) -> Task:
    """The task of a step. `fans_out`: there are many executions of it, or of a group around it."""
    judged = {"failed_when": step.failed_when, "succeeded_when": step.succeeded_when}
    return Task(
        function=function,
        options=_options(step, function, fans_out),
        docstring=docstring(described(step.description, step.id, INDENT), INDENT),
        call=_call(step),
        outputs=literal(step.outputs, 2 * INDENT) if step.outputs else None,
        judged=tuple(
            Argument(literal(text, 2 * INDENT + len(key) + 1), key) for key, text in judged.items() if text
        ),
    )


def described(description: str, id: str, indent: int) -> str:
    """What a docstring says: the description, or else the id in plain words."""
    return prose(description.strip(), indent) or f"{words(id)}."


def _options(step: Leaf, function: str, fans_out: bool) -> tuple[Argument, ...]:
    name = [Argument(literal(step.id), "name")] if function != step.id else []
    run_name = f"{step.id} {{scope.place}}" if fans_out else step.id  # Prefect fills it in
    return (
        *name,
        Argument(literal(run_name), "task_run_name"),
        *(_retries(step.retry) if step.retry and step.retry.attempts > 1 else ()),
    )


def _retries(retry: Retry) -> list[Argument]:
    options = [Argument(literal(retry.attempts - 1), "retries")]
    delays = _delays(retry)
    if any(delays):
        options.append(Argument(literal(delays if len(delays) > 1 else delays[0]), "retry_delay_seconds"))
        if retry.jitter:
            options.append(Argument(literal(JITTER), "retry_jitter_factor"))
    return options


def _delays(retry: Retry) -> list[float]:
    """The delay before each retry, without those that only repeat the last."""
    last = min(retry.attempts, MOST_DELAYS + 1)
    delays = [whole(round(retry.delay_before(attempt), 3)) for attempt in range(2, last + 1)]
    while len(delays) > 1 and delays[-1] == delays[-2]:
        delays.pop()
    return delays


def _call(step: Leaf) -> Call:
    function, first = EXECUTORS[step.type]  # type: ignore[attr-defined]
    fields = own_fields(step)
    arguments = [Argument("scope")]
    if first in fields:
        arguments.append(Argument(_value(fields.pop(first)), ""))
    arguments += [Argument(_value(value, len(key) + 1), key) for key, value in fields.items()]
    if step.timeout is not None:
        arguments.append(Argument(literal(whole(step.timeout)), "timeout"))
    return Call(function, tuple(arguments))


def _value(value: object, offset: int = 0) -> str:
    return literal(whole(value) if isinstance(value, float) else value, 2 * INDENT + offset)


def whole(number: float) -> float:
    """The number as an integer where it is one: people write 30, not 30.0."""
    return int(number) if float(number).is_integer() else number
