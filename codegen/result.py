"""What a run leaves behind, whichever engine did the work."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from codegen.decision import Decision, EngineName
from codegen.fields import Model

StepStatus = Literal["pending", "running", "succeeded", "failed", "skipped", "blocked", "cancelled", "lost"]


FINAL: frozenset[StepStatus] = frozenset({"succeeded", "failed", "skipped", "blocked", "cancelled", "lost"})
SATISFIED: frozenset[StepStatus] = frozenset({"succeeded", "skipped"})


class StepError(Model):
    """Why a step failed."""

    message: str
    step: str
    target: str | None = None
    index: int | None = None
    place: str = ""
    """Which of all its executions, in words: `[2]`, `on web-1`, `[2][0]` within an execution of a group."""


class StepRecord(Model):
    """One step's outcome; `items` holds the same record per target or item, in the order given."""

    status: StepStatus = "pending"
    attempts: int = 0
    result: Any = None
    outputs: dict[str, Any] = Field(default_factory=dict)
    error: StepError | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    target: str | None = None
    item: Any = None
    items: tuple["StepRecord", ...] = ()
    unconfirmed: str | None = None
    """Of what was cancelled: why nobody knows that it has ended."""


class Unconfirmed(Model):
    """An execution that was told to end, and of which nobody knows that it has."""

    step: str
    target: str | None = None
    place: str = ""
    reason: str


class Receipt(Model):
    """What is known to have come of a cancellation; executions have the names that the log gives them."""

    asked_at: datetime
    confirmed_at: datetime | None = None
    """When the last of those stopped was known to have ended; None where none was."""
    running: int = 0
    """How many executions were under way, or may have been: those stopped and those unconfirmed."""
    stopped: tuple[str, ...] = ()
    unconfirmed: tuple[Unconfirmed, ...] = ()
    never_began: tuple[str, ...] = ()


class LogLine(Model):
    """A line that a step wrote."""

    time: datetime
    step: str
    index: int | None = None
    place: str = ""
    stream: Literal["stdout", "stderr", "log"]
    text: str


class Report(Model):
    """What an engine hands back: the records of all steps and what follows from them.

    Its `repr` is short, because Prefect logs it with the state that holds it.
    """

    success: bool
    cancelled: bool = False
    outputs: dict[str, Any] = Field(default_factory=dict, repr=False)
    error: StepError | None = Field(default=None, repr=False)
    not_undone: tuple[StepError, ...] = Field(default=(), repr=False)
    """Steps whose rollback failed."""
    receipt: Receipt | None = Field(default=None, repr=False)
    """Of a run that was cancelled."""
    steps: dict[str, StepRecord] = Field(default_factory=dict, repr=False)
    logs: tuple[LogLine, ...] = Field(default=(), repr=False)
    start_time: datetime = Field(repr=False)
    end_time: datetime = Field(repr=False)


class RunResult(Model):
    """The result of a run, equal from both engines but for times, ids and `engine_used`."""

    workflow_id: str
    engine_used: EngineName
    success: bool
    execution_id: str
    start_time: datetime = Field(repr=False)
    end_time: datetime = Field(repr=False)
    duration_seconds: float
    steps_completed: int
    total_steps: int
    result_data: dict[str, Any] = Field(default_factory=dict, repr=False)
    error_message: str | None = Field(default=None, repr=False)
    not_undone: tuple[StepError, ...] = Field(default=(), repr=False)
    logs: tuple[LogLine, ...] = Field(default=(), repr=False)
    cancelled: bool = False
    receipt: Receipt | None = Field(default=None, repr=False)
    decision: Decision = Field(repr=False)
    steps: dict[str, StepRecord] = Field(default_factory=dict, repr=False)
