"""What a step sees while it runs, and what it hands back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from codegen.expressions import ExpressionError, parse_expression, parse_template, render_nested
from codegen.reasons import placed
from codegen.result import Report, StepError, StepRecord
from codegen.sub_workflows import Library
from codegen.workflow import Workflow
from steps.data import json_data
from steps.event_service import EventService
from steps.events import Event, Listener, Stream, ignore
from steps.halt import Halt
from steps.journal import Journal
from steps.keys import key_of
from steps.masking import Mask
from steps.output_keeper import Outputs
from steps.questions import Answer, Question
from steps.secret_values import Secrets
from steps.seen import unusable
from steps.sound_text import sound_text
from steps.task_service import TaskService

if TYPE_CHECKING:
    from steps.work import Inner


# Prefect remembers what a task returned; without weak references it could take a later object for it.
@dataclass(frozen=True, slots=True, weakref_slot=True)
class Outcome:
    """What one try of a step gave: its result, the outputs computed from it, and whether it ends the run."""

    result: Any = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    stops: bool = False

    def hidden(self, mask: Mask) -> Outcome:
        """The same without what the mask hides."""
        if not mask:
            return self
        return replace(self, result=mask.data(self.result), outputs=mask.data(self.outputs))


@dataclass(frozen=True, slots=True)
class Spot:
    """Which execution this is of all those of a step that fans out.

    `named`: by its target, where the step fans out over those. `numbered`: that alone does not tell which.
    """

    index: int
    count: int
    target: str | None = None
    item: Any = None
    named: bool = False
    numbered: bool = True


@dataclass(frozen=True, slots=True)
class Undo:
    """How to undo what an execution did; `number` tells which was done before which."""

    steps: Inner
    scope: Scope
    number: int


@dataclass(frozen=True, slots=True)
class Errand:
    """Another document to be run by a step: what it is given, and where its own steps find theirs.

    `path` names the steps around it: `deploy/` or `release/deploy/`.
    """

    workflow: Workflow
    library: Library
    parameters: Mapping[str, Any]
    targets: tuple[str, ...]
    run_id: str
    path: str
    listener: Listener
    secrets: Secrets
    journal: Journal
    outputs: Outputs


class Running(Protocol):
    """A run of a document."""

    async def run(self) -> Report:
        """Run to the end."""

    def cancel(self) -> None:
        """End in order what runs."""


Ask = Callable[[Question, "Scope"], Awaitable[Answer | None]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for all steps of one run.

    `library` holds the documents that its steps may run, and `run_document` does it; `path` is the errand's.
    """

    run_id: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    secret_params: frozenset[str] = frozenset()
    """Those whose value is the name of a secret."""
    targets: tuple[str, ...] = ()
    steps: dict[str, StepRecord] = field(default_factory=dict)
    listener: Listener = ignore
    undos: dict[str, Undo] = field(default_factory=dict)
    """What to undo should the run fail."""
    halt: Halt = field(default_factory=Halt)
    journal: Journal = field(default_factory=Journal)
    secrets: Secrets = field(default_factory=Secrets)
    outputs: Outputs = field(default_factory=Outputs)
    """Where the whole output of steps is stored."""
    library: Library | None = None
    run_document: Callable[[Errand], Running] | None = None
    path: str = ""
    ask: Ask | None = None
    """How a person is asked; it gives None where nobody has answered in time."""
    events: EventService | None = None
    """Prefect's, where the run is one in Prefect."""
    celery: TaskService | None = None
    """How tasks of somebody's Celery app are run."""


class Scope:
    """The names that one execution of one step sees, and its way to tell what it does.

    `target`, `item` and `index` belong to the execution, or to that of a group around it; `attempts` counts
    its tries so far, `tried` those of earlier rounds; `inner` takes the records of the steps inside it.
    `when_cancelled` is what its record says of that, `unconfirmed` why it may go on all the same.
    """

    # A plain class on purpose: Prefect walks through every dataclass and model among a task's arguments.
    __slots__ = (
        *("attempts", "error", "inner", "spots", "step", "surroundings"),
        *("tried", "unconfirmed", "when_cancelled"),
    )

    def __init__(
        self,
        surroundings: Surroundings,
        step: str,
        *,
        spots: tuple[Spot, ...] = (),
        error: StepError | None = None,
    ) -> None:
        self.surroundings = surroundings
        self.step = step
        self.spots = spots
        self.error = error
        self.attempts = 0
        self.tried = 0
        self.when_cancelled = "cancelled"
        self.unconfirmed: str | None = None
        self.inner: dict[str, StepRecord] = {}

    @property
    def index(self) -> int | None:
        """Which execution of a fan-out this is."""
        return self.spots[-1].index if self.spots else None

    @property
    def item(self) -> Any:
        """The item of this execution."""
        return self.spots[-1].item if self.spots else None

    @property
    def target(self) -> str | None:
        """The target of this execution, where one was named."""
        return self.spots[-1].target if self.spots else None

    @property
    def place(self) -> str:
        """Which execution this is, through all fan-outs around it: `on web-1`, `[2][0]`, `on web-1 [3]`."""
        words = ""
        for spot in self.spots:
            if spot.named:
                words += f" on {spot.target}"
            if spot.numbered:
                words += f"[{spot.index}]" if words.endswith("]") else f" [{spot.index}]"
        return words.strip()

    @property
    def label(self) -> str:
        """How people name this execution: the step's id and the place."""
        return placed(self.step, self.place)

    @property
    def path(self) -> str:
        """The step's id, after those of the steps by which its document is run: `deploy/copy`."""
        return f"{self.surroundings.path}{self.step}"

    @property
    def mask(self) -> Mask:
        """Hides the secrets that the run has used so far."""
        return self.surroundings.secrets.mask

    @property
    def key(self) -> str:
        """An idempotency key: the same for every try of the same step of the same run."""
        return self.key_of(self.step)

    @property
    def turn(self) -> str:
        """The key, and which execution with it this is: another one in the next round of a group."""
        return f"{self.key}.{self.surroundings.journal.turn(self.key)}"

    def key_of(self, step: str) -> str:
        """The key of a step inside this execution."""
        return key_of(self.surroundings.run_id, step, (spot.index for spot in self.spots))

    def of(self, step: str) -> Scope:
        """What a step inside this execution sees, where it runs once in it."""
        return Scope(self.surroundings, step, spots=self.spots, error=self.error)

    def was_done_again(self, steps: Iterable[str]) -> bool:
        """Whether an earlier life then ran these steps, which are inside this execution, once more."""
        return self.surroundings.journal.is_ahead(map(self.key_of, steps))

    @property
    def identity(self) -> str:
        """The key, and what the execution is about: in another round another item may have its place."""
        about = [[spot.target, spot.item] for spot in self.spots]
        return f"{self.key} {json.dumps(about, sort_keys=True)}" if about else self.key

    def names(self, **more: Any) -> dict[str, Any]:
        """The names that expressions and templates may use."""
        around = self.surroundings
        names: dict[str, Any] = {
            "params": around.params,
            "targets": around.targets,
            "steps": around.steps | self.inner if self.inner else around.steps,
            "name": around.name,
            "run": {"id": around.run_id},
            "error": self.error,
            "target": self.target or "localhost",
        }
        if self.spots:
            names |= {"item": self.item, "index": self.index}
        return names | more

    def evaluate(self, expression: str, **more: Any) -> Any:
        """The value of a bare expression; StepFailed says what is wrong with it."""
        try:
            return parse_expression(expression).evaluate(self.names(**more))
        except ExpressionError as error:
            raise unusable(error, parse_expression, self.names(**more), self.mask) from error

    def render(self, value: Any, **more: Any) -> Any:
        """A template, or data with templates in it, filled in."""
        try:
            return render_nested(value, self.names(**more))
        except ExpressionError as error:
            raise unusable(error, parse_template, self.names(**more), self.mask) from error

    def outputs(self, outcome: Outcome, templates: Mapping[str, str]) -> Outcome:
        """The outcome with outputs computed from its result."""
        computed = {
            key: json_data(self.render(text, result=outcome.result), f"output {key!r}")
            for key, text in templates.items()
        }
        return replace(outcome, outputs={**outcome.outputs, **computed})

    def line(self, text: str, stream: Stream = "log") -> None:
        """Tell a line of output as it comes."""
        self.tell("line", text=text, stream=stream)

    def tell(self, kind: Any, *, text: str = "", stream: Stream = "log", status: str = "") -> None:
        """Tell what this execution does; secrets are hidden in it."""
        text = sound_text(self.mask.text(text))
        told = Event(kind, self.step, self.index, self.target, text, stream, status, place=self.place)
        self.surroundings.listener(told)
