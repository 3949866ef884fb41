"""The whole document as frozen types: `Workflow` and the union of all steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from codegen.fields import Duration, Expression, Identifier, Model, Name, Positive, Template
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
from codegen.parameters import Parameter
from codegen.paths import part
from codegen.step import OnError, Repeat, Retry, Risk, Rollout, RunIf, StepBase

EnginePreference = Literal["auto", "celery", "prefect"]
WorkflowType = Literal[
    "system_maintenance",
    "deployment",
    "monitoring_setup",
    "security_audit",
    "backup_restore",
    "configuration_change",
    "troubleshooting",
    "information_gathering",
    "network_analysis",
    "network_monitoring",
    "network_troubleshooting",
    "custom",
]


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
    wait_for: Literal["all", "any"] | Positive = "all"


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


class Concurrency(Model):
    """How many runs of one key at once."""

    key: Template | None = None
    limit: Positive = 1
    on_conflict: Literal["wait", "cancel", "replace"] = "wait"


class Schedule(Model):
    """When the document runs by itself."""

    cron: str | None = None
    interval: Duration | None = None
    timezone: str = "UTC"
    catch_up: bool = False


class EventTrigger(Model):
    """A Prefect event that starts a run."""

    name: str
    match: dict[str, Any] = Field(default_factory=dict)


class WebhookTrigger(Model):
    """A webhook that starts a run."""

    source: str
    match: dict[str, Any] = Field(default_factory=dict)


class Triggers(Model):
    """What starts the document besides a person."""

    schedule: Schedule | None = None
    event: EventTrigger | None = None
    webhook: WebhookTrigger | None = None


class Engine(Model):
    """The author's wish."""

    prefer: EnginePreference = "auto"
    force: bool = False


class Defaults(Model):
    """Step keys that every step inherits unless it says otherwise."""

    retry: Retry | None = None
    timeout: Duration | None = None
    on: Template | None = None
    run_if: RunIf | None = None
    continue_on_error: bool | None = None
    max_parallel: Positive | None = None
    idempotent: bool | None = None


class Workflow(Model):
    """One operations workflow."""

    name: Name
    type: WorkflowType = "custom"
    description: str = Field(default="", max_length=20_000)
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[Identifier, Parameter] = Field(default_factory=dict)
    targets: tuple[str, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1)
    on_failure: tuple[Step, ...] = ()
    finally_: tuple[Step, ...] = Field(default=(), alias="finally")
    outputs: dict[Identifier, Template] = Field(default_factory=dict)
    timeout: Duration | None = None
    risk: Risk | None = None
    requires_approval: bool = False
    defaults: Defaults | None = None
    concurrency: Concurrency | None = None
    triggers: Triggers | None = None
    engine: Engine = Engine()


# The one rebuild: it reaches every step. Rebuilding each class would make the import four times as slow.
Workflow.model_rebuild(_types_namespace={"Step": Step, "OnError": OnError})


def branches(step: StepBase) -> tuple[tuple[str, tuple[Step, ...]], ...]:
    """The step lists of a group under the keys that hold them; empty for a leaf."""
    match step:
        case Sequential() | Parallel():
            return (("steps", step.steps),)
        case Condition():
            return (("then", step.then), ("else", step.else_))
        case Switch():
            named = tuple((f"cases{part(key)}", steps) for key, steps in step.cases.items())
            return (*named, ("default", step.default))
        case _:
            return ()


def walk(steps: tuple[Step, ...], path: str = "steps") -> Iterator[tuple[str, Step]]:
    """Every step below a list, parents first, with its path (`steps[2].then[0]`)."""
    for index, step in enumerate(steps):
        here = f"{path}[{index}]"
        yield here, step
        for key, inner in branches(step):
            yield from walk(inner, f"{here}.{key}")


def sections(workflow: Workflow) -> tuple[tuple[str, tuple[Step, ...]], ...]:
    """The three step lists of a document: main steps, failure handlers, always-steps."""
    return (
        ("steps", workflow.steps),
        ("on_failure", workflow.on_failure),
        ("finally", workflow.finally_),
    )


__all__ = ["OnError", "Repeat", "Retry", "Rollout", "Step", "Workflow", "branches", "sections", "walk"]
