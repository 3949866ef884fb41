"""The steps of a document: groups, the union of all kinds of steps, and how they hang together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from codegen.fields import Expression
from codegen.leaves import (
    AiDiagnosis,
    Approval,
    CeleryTask,
    Command,
    Container,
    Emit,
    Fail,
    FileTransfer,
    Http,
    Listen,
    NetworkCapture,
    NetworkCheck,
    NetworkMonitor,
    Notification,
    ProtocolAnalysis,
    Python,
    Script,
    Service,
    Set,
    Stop,
    SubWorkflow,
    Validation,
    Wait,
)
from codegen.paths import part, parts
from codegen.step import Join, StepBase


class Group(StepBase):
    """A step made of steps."""


class Sequential(Group):
    """Steps one after the other."""

    type: Literal["sequential"]
    steps: tuple[Step, ...] = Field(min_length=1)


class Parallel(Group):
    """Steps side by side; `any` is a race whose losers are cancelled."""

    type: Literal["parallel"]
    steps: tuple[Step, ...] = Field(min_length=1)
    wait_for: Join = "all"


class Condition(Group):
    """`then` where the expression is true, else `else`."""

    type: Literal["condition"]
    when: Expression
    then: tuple[Step, ...] = Field(min_length=1)
    else_: tuple[Step, ...] = Field(default=(), alias="else")


class Switch(Group):
    """The case whose key equals the value, else the default."""

    type: Literal["switch"]
    value: Expression
    cases: dict[str, tuple[Step, ...]] = Field(min_length=1)
    default: tuple[Step, ...] = ()


Step = Annotated[
    Set
    | Fail
    | Stop
    | Emit
    | Listen
    | Command
    | Script
    | Http
    | Python
    | CeleryTask
    | Container
    | FileTransfer
    | Service
    | Validation
    | Notification
    | Wait
    | Approval
    | SubWorkflow
    | NetworkCheck
    | NetworkCapture
    | NetworkMonitor
    | ProtocolAnalysis
    | AiDiagnosis
    | Sequential
    | Parallel
    | Condition
    | Switch,
    Field(discriminator="type"),
]

STEP_TYPES: dict[str, type[StepBase]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(get_args(Step)[0])
}


THEN, ELSE, DEFAULT = "then", "else", "default"
"""Keys that hold the branches of a group; a case of a switch is named by `case_branch`."""


def case_branch(key: str) -> str:
    """The name of the branch of a switch for this value."""
    return f"cases{part(key)}"


def case_of(branch: str) -> str:
    """The value for which a switch takes the branch of this name."""
    return str(parts(branch)[-1])


def is_apart(step: StepBase) -> bool:
    """Whether a group says something of its steps as a whole, and therefore runs them by itself.

    Other groups are mere frames: their steps may depend on those around them, and those on them.
    """
    return why_apart(step) is not None


def why_apart(step: StepBase) -> str | None:
    """The key by which a group says something of its steps as a whole."""
    return apart_by(dict(step)) if isinstance(step, Group) else None


OF_THE_WHOLE: Mapping[str, Any] = {
    "wait_for": "all",
    "on": None,
    "for_each": None,
    "repeat": None,
    "retry": None,
    "timeout": None,
    "on_error": None,
    "outputs": {},
    "rollback": (),
    "requires_approval": False,
}
"""Keys by which a group says something of its steps as a whole, with what each is where it says nothing."""


def apart_by(said: Mapping[str, Any]) -> str | None:
    """The first of the keys of a group by which it says something of its steps as a whole."""
    return next((key for key, unsaid in OF_THE_WHOLE.items() if said.get(key, unsaid) != unsaid), None)


def branches(step: StepBase) -> tuple[tuple[str, tuple[Step, ...]], ...]:
    """The step lists of a group under the keys that hold them; empty for a leaf."""
    match step:
        case Sequential() | Parallel():
            return (("steps", step.steps),)
        case Condition():
            return ((THEN, step.then), (ELSE, step.else_))
        case Switch():
            named = tuple((case_branch(key), steps) for key, steps in step.cases.items())
            return (*named, (DEFAULT, step.default))
        case _:
            return ()


def walk(steps: tuple[Step, ...], path: str = "steps") -> Iterator[tuple[str, Step]]:
    """Every step below a list, parents first, with its path (`steps[2].then[0]`)."""
    for index, step in enumerate(steps):
        here = f"{path}[{index}]"
        yield here, step
        for key, inner in branches(step):
            yield from walk(inner, f"{here}.{key}")
