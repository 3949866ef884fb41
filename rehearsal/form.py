"""The form of a test file: cases of how a workflow goes when its steps behave so and so."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from typing_extensions import TypeAliasType

from codegen.decision import ENGINES, EngineName
from codegen.fields import Duration, Flaw, FlawedError, Identifier, Model, Name
from codegen.result import StepStatus
from steps.acting import Behaviour


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        what = f'"{pattern:.80}" is no regular expression: {error}'
        flaw = Flaw((), what, "put a \\ before signs that stand for themselves")
        raise FlawedError(flaw) from error
    return pattern


def _check_order(text: str) -> str:
    ids = [id for pair in pairs(text) for id in pair]
    if not ids or not all(re.fullmatch(r"[A-Za-z]\w*", id) for id in ids):
        cure = "write ids of steps with < between them, such as usage < clean, or a, b < c"
        raise FlawedError(Flaw((), f'"{text:.80}" is no order', cure))
    return text


def _several(value: Any) -> Any:
    """`order: a < b` is as good as `order: [a < b]`."""
    return [value] if isinstance(value, str) else value


def pairs(order: str) -> list[tuple[str, str]]:
    """Which step came before which: `a, b < c < d`."""
    parts = [[id.strip() for id in part.split(",")] for part in order.split("<")]
    return [(earlier, later) for before, after in pairwise(parts) for earlier in before for later in after]


class Matching(Model):
    """A text in which a regular expression finds something."""

    matches: Annotated[str, AfterValidator(_check_pattern)]


StepPath = Annotated[str, Field(pattern=r"^[A-Za-z]\w*(/[A-Za-z]\w*)*$")]
"""A step, or one of another document that a step runs: `deploy/copy`."""
Acts = TypeAliasType("Acts", "Behaviour | tuple[Acts, ...]")
"""A behaviour for all executions of a step, or a list with one for each; with lists for fan-outs within."""
Order = Annotated[str, AfterValidator(_check_order)]
Several = BeforeValidator(_several)
"""A list that may be written as the one text that it holds."""
Engines = Annotated[tuple[EngineName, ...], Field(min_length=1), Several]
Steps = Annotated[tuple[Identifier, ...], Several]
Texts = Annotated[tuple[str, ...], Several]


class Expectation(Model):
    """What is to be found after the run; what is not said may be anything."""

    died: bool | None = None
    success: bool | None = None
    cancelled: bool | None = None
    error: str | Matching | None = None
    states: dict[Identifier, StepStatus] = Field(default_factory=dict)
    attempts: dict[Identifier, int] = Field(default_factory=dict)
    items: dict[Identifier, tuple[StepStatus, ...]] = Field(default_factory=dict)
    results: dict[Identifier, Any] = Field(default_factory=dict)
    errors: dict[Identifier, str | Matching | None] = Field(default_factory=dict)
    outputs: dict[str, Any] = Field(default_factory=dict)
    step_outputs: dict[Identifier, dict[str, Any]] = Field(default_factory=dict)
    order: Annotated[tuple[Order, ...], Several] = ()
    started: Texts | None = None
    not_started: Steps = ()
    not_undone: Steps | None = None

    def steps(self) -> list[tuple[str, str]]:
        """Where steps are named, and by which id."""
        named = ("states", "attempts", "items", "results", "errors", "step_outputs")
        found = [(f"{key}.{id}", id) for key in named for id in getattr(self, key)]
        found += [(f"not_started[{i}]", id) for i, id in enumerate(self.not_started)]
        found += [(f"not_undone[{i}]", id) for i, id in enumerate(self.not_undone or ())]
        for i, order in enumerate(self.order):
            found += [(f"order[{i}]", id) for pair in pairs(order) for id in pair]
        return found


class Life(Model):
    """A run until it ends, or until the process dies that runs it."""

    leaves: dict[StepPath, Acts] = Field(default_factory=dict)
    cancel_after: Duration | None = None
    expect: Expectation


class LaterLife(Life):
    """The run goes on after a death, or is tried again after its end: from a step on, where that is said.

    Steps that are not named in `leaves` behave as in the life before.
    """

    from_: Annotated[Identifier | None, Field(alias="from")] = None


class Case(Life):
    """One run of the workflow, with all its lives."""

    name: Name
    workflow: str | dict[str, Any] | None = None
    engines: Engines | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    targets: Texts | None = None
    known: str | dict[EngineName, str] | None = None
    then: tuple[LaterLife, ...] = ()

    @property
    def lives(self) -> dict[str, Life]:
        """All of them in order, by where they are in the case: `then[0].`."""
        return {"": self, **{f"then[{i}].": life for i, life in enumerate(self.then)}}

    def known_on(self, engine: EngineName) -> str | None:
        """Why the case fails on the engine, where that is known."""
        return self.known.get(engine) if isinstance(self.known, Mapping) else self.known


class TestFile(Model):
    """A test file; what it says of the workflow and the engines holds for cases that don't."""

    __test__ = False  # it is no test itself, whatever pytest makes of its name

    workflow: str | dict[str, Any] | None = None
    engines: Engines = ENGINES
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]
