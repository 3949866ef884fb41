"""What there is to do for one step, wherever it was written down: in a document or in a generated flow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from codegen.errors import ParameterError
from codegen.result import StepError, StepRecord
from codegen.sandbox.limits import kind
from codegen.schedule import Node
from codegen.step import Repeat
from codegen.targets import check_targets
from steps.data import json_data
from steps.errors import StepFailed
from steps.scope import Outcome, Scope, Spot
from steps.seen import shown

Perform = Callable[[Scope], Awaitable[Outcome]]
Branch = Callable[[Scope], str]
LONGEST_FAN_OUT = 10_000
NOT_NEEDED = StepRecord(status="skipped")
"""The record of a handler that there was no need for."""


class Inner(Protocol):
    """Steps that are run as one, inside an execution of another step."""

    @property
    def works(self) -> tuple[Work, ...]:
        """The steps, parents before their children."""

    async def __call__(self, scope: Scope, error: StepError | None = None) -> Outcome:
        """Run them; StepFailed when they fail. Their records are in `scope.inner` afterwards."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """What is done about a step's failure; `recover`: done well, the step counts as succeeded."""

    steps: Inner
    when: str | None = None
    recover: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """One step: its place in the order, and how to do it.

    `on` and `for_each` say over what it fans out; `perform` does one execution, all tries included.
    `idempotent`: that may be done again when the process that did it died.
    A group has none. Either it is a mere frame around steps of the same list, of whose branches it opens the
    one that `branch` names; or it runs its steps by itself, as `inner`.
    """

    node: Node
    when: str | None = None
    on: str | None = None
    for_each: str | Sequence[Any] | None = None
    max_parallel: int | None = None
    perform: Perform | None = None
    inner: Inner | None = None
    branch: Branch | None = None
    repeat: Repeat | None = None
    idempotent: bool = True
    on_error: Handlers | None = None
    rollback: Inner | None = None

    @property
    def id(self) -> str:
        """The step's id."""
        return self.node.id

    @property
    def fans_out(self) -> bool:
        """Whether it runs once per target or item."""
        return self.on is not None or self.for_each is not None

    @property
    def is_frame(self) -> bool:
        """Whether it is a group whose steps belong to the list around it."""
        return self.perform is None and self.inner is None

    def handlers(self) -> tuple[Work, ...]:
        """The steps that run only because of what this one did."""
        return (
            *(self.on_error.steps.works if self.on_error else ()),
            *(self.rollback.works if self.rollback else ()),
        )

    def executions(self, scope: Scope) -> list[Spot]:
        """Those of a step that fans out; over both targets and items, each target takes every item."""
        targets = [scope.target] if self.on is None else [*_targets(self.on, scope)]
        items = [scope.item] if self.for_each is None else _items(self.for_each, scope)
        if len(targets) * len(items) > LONGEST_FAN_OUT:
            raise StepFailed(f"more than {LONGEST_FAN_OUT:,} executions; split them over several steps")
        pairs = [(target, item) for target in targets for item in items]
        named = self.on is not None
        numbered = self.for_each is not None or len({*targets}) < len(targets)
        return [
            Spot(index, len(pairs), *pair, named=named, numbered=numbered) for index, pair in enumerate(pairs)
        ]


def below(works: Iterable[Work]) -> Iterator[Work]:
    """All works, those inside them, and those that deal with what they did."""
    for work in works:
        yield work
        yield from below(work.inner.works if work.inner else ())
        yield from below(work.handlers())


def inside(works: Iterable[Work]) -> Iterator[Work]:
    """All works and those inside them, without those that deal with what they did."""
    for work in works:
        yield work
        yield from inside(work.inner.works if work.inner else ())


def blank(works: Iterable[Work]) -> dict[str, StepRecord]:
    """The records of all steps below a list before anything has run."""
    records: dict[str, StepRecord] = {}
    for work in works:
        records[work.id] = StepRecord()
        if work.inner is not None:
            records |= blank(work.inner.works)
        records |= {handler.id: NOT_NEEDED for handler in below(work.handlers())}
    return records


def _targets(on: str, scope: Scope) -> list[str]:
    """Checked here too: a document's own targets are checked before the run, those of a template can't be."""
    named = scope.render(on)
    if named == "targets":
        named = scope.surroundings.targets
    targets = [str(target) for target in (named if isinstance(named, list | tuple) else (named,))]
    try:
        return list(check_targets(targets))
    except ParameterError as error:
        raise StepFailed(f"on: {error.problems[0].message} ({error.problems[0].cure})") from error


def _items(for_each: str | Sequence[Any], scope: Scope) -> list[Any]:
    if isinstance(for_each, str):
        items = _listed(for_each, scope.evaluate(for_each), scope)
    else:
        items = [scope.render(item) for item in for_each]
    if len(items) > LONGEST_FAN_OUT:
        raise StepFailed(f"for_each: more than {LONGEST_FAN_OUT:,} items; split the list over several steps")
    return [json_data(item, f"for_each: item {index}") for index, item in enumerate(items)]


def _listed(expression: str, value: Any, scope: Scope) -> list[Any]:
    if isinstance(value, Mapping):
        raise StepFailed(f"for_each: {expression!r} gave a mapping, not a list; use its `| items | list`")
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        text = shown(value, scope.mask)
        gave = f"gave {kind(value)}, not a list" + (f": {text}" if text is not None else "")
        raise StepFailed(f"for_each: {expression!r} {gave}")
    return list(islice(value, LONGEST_FAN_OUT + 1))
