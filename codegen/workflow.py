"""The whole document as frozen types."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from codegen.defaults import Defaults, inherit
from codegen.fields import DocumentName, Duration, Identifier, Model, Name, Positive, QueueName, Template
from codegen.groups import Step
from codegen.parameters import Parameter
from codegen.step import OnError, Risk

EnginePreference = Literal["auto", "celery", "prefect"]
Priority = Literal["low", "normal", "high"]
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
    queue: QueueName | None = None
    priority: Priority = "normal"
    triggers: Triggers | None = None
    engine: Engine = Engine()
    workflows: dict[DocumentName, Workflow] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _inherited(self) -> Self:
        """What `defaults` say is said by the steps from here on."""
        if self.defaults is None:
            return self
        lists = ("steps", "on_failure", "finally_")
        said = {key: inherit(getattr(self, key), self.defaults) for key in lists if getattr(self, key)}
        inherited = self.model_copy(update={**said, "defaults": None})
        inherited.model_fields_set.discard("defaults")
        return inherited


# The one rebuild: it reaches every step. Rebuilding each class would make the import four times as slow.
Workflow.model_rebuild(_types_namespace={"Step": Step, "OnError": OnError})


def sections(workflow: Workflow) -> tuple[tuple[str, tuple[Step, ...]], ...]:
    """The three step lists of a document: main steps, failure handlers, always-steps."""
    return (
        ("steps", workflow.steps),
        ("on_failure", workflow.on_failure),
        ("finally", workflow.finally_),
    )
