"""Approvals: a person's yes before anything goes on. As a step, before a step, before a whole document."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from codegen.durations import format_duration
from codegen.leaves import Approval
from codegen.reasons import placed
from codegen.result import StepError
from steps.clock import present
from steps.errors import StepFailed
from steps.executor import executor
from steps.questions import Answer, Question
from steps.scope import Ask, Outcome, Scope, Surroundings
from steps.work import Inner, Work, inside

PATIENCE = 30 * 86_400.0
"""Seconds that a question waits where the document doesn't say: what GitHub and Azure Pipelines take."""

_stand_in: ContextVar[Ask | None] = ContextVar("opsconductor_asked_instead", default=None)


@contextmanager
def asked_instead(ask: Ask) -> Iterator[None]:
    """Inside the block no person is asked; this answers."""
    token = _stand_in.set(ask)
    try:
        yield
    finally:
        _stand_in.reset(token)


@executor(Approval)
async def approval(
    scope: Scope,
    message: str,
    *,
    approvers: Sequence[str] = (),
    on_timeout: Literal["fail", "approve"] = "fail",
    timeout: float | None = None,
) -> dict[str, Any]:
    """Ask a person; the result is the answer: `approved`, `by`, `at` and `comment`. A no is a failure."""
    question = Question(
        key=scope.turn,
        about=about(scope),
        message=scope.mask.text(str(message)),
        approvers=tuple(approvers),
        timeout=PATIENCE if timeout is None else timeout,
    )
    answer = await _answer(question, scope)
    if answer is None and on_timeout == "approve":
        late = f"nobody answered within {format_duration(question.timeout)}"
        scope.line(f"Approved, because {late}")
        return {"approved": True, "by": None, "at": None, "comment": late}
    return _approved(question, answer, scope)


async def permission(question: Question, scope: Scope) -> None:
    """Ask a person whether something may start; StepFailed where it may not."""
    _approved(question, await _answer(question, scope), scope)


def about(scope: Scope) -> str:
    """What people call the execution: `go_live`, `go_live on web-1`."""
    return placed(scope.path, scope.place)


async def _answer(question: Question, scope: Scope) -> Answer | None:
    ask = _stand_in.get() or scope.surroundings.ask
    if ask is None:
        raise StepFailed("nobody can be asked here: approvals need Prefect")
    return await ask(question, scope)


def _approved(question: Question, answer: Answer | None, scope: Scope) -> dict[str, Any]:
    """The record of a yes. Without one the failure has the record."""
    if answer is None:
        nobody = {"approved": False, "by": None, "at": None, "comment": ""}
        raise StepFailed(f"nobody answered within {format_duration(question.timeout)}", nobody)
    comment = f": {answer.comment}" if answer.comment else ""
    if not answer.approved:
        scope.line(f"Denied by {answer.by}{comment}")
        raise StepFailed(f"denied by {answer.by}{comment}", asdict(answer))
    scope.line(f"Approved by {answer.by}{comment}")
    return asdict(answer)


def asking(work: Work) -> Work:
    """The step, asking once before the first of its executions does anything."""
    once = _OnceAStart(work.id, fans_out=work.fans_out)
    if work.inner is not None:
        return replace(work, inner=_AskedBefore(work.inner, once))
    perform = work.perform
    assert perform is not None  # noqa: S101 - a group that asks is no mere frame

    async def after_the_answer(scope: Scope) -> Outcome:
        await once.passed(scope)
        return await perform(scope)

    return replace(work, perform=after_the_answer)


@dataclass(frozen=True, slots=True)
class _AskedBefore:
    """The steps of a group, after the answer."""

    inner: Inner
    once: _OnceAStart

    @property
    def works(self) -> tuple[Work, ...]:
        return self.inner.works

    async def __call__(self, scope: Scope, error: StepError | None = None) -> Outcome:
        was_begun = scope.was_done_again(work.id for work in inside(self.works))
        if scope.surroundings.halt.closed and not was_begun:
            raise asyncio.CancelledError
        await self.once.passed(scope)
        return await self.inner(scope, error)


@dataclass(slots=True)
class _Start:
    """A start of the step: all its executions, tries and rounds. They find it by what surrounds them."""

    surroundings: Surroundings
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    answered: bool = False
    refusal: StepFailed | None = None


class _OnceAStart:
    """Asks once each time that the step is started: again only in another round of a group around it."""

    def __init__(self, step: str, *, fans_out: bool) -> None:
        self._step = step
        self._fans_out = fans_out
        self._starts: dict[int, _Start] = {}

    async def passed(self, scope: Scope) -> None:
        """Wait for the answer; StepFailed where it is no."""
        start = self._starts.setdefault(id(scope.surroundings), _Start(scope.surroundings))
        with present().handed_over():  # another execution of this step is at work: it asks
            await start.lock.acquire()
        try:
            if not start.answered:
                start.refusal = await self._refusal(scope)
                start.answered = True
        finally:
            start.lock.release()
        if start.refusal is not None:
            raise StepFailed(start.refusal.message)

    async def _refusal(self, scope: Scope) -> StepFailed | None:
        # Whichever execution asks: in another life, or another round, it may be another one.
        around = scope.spots[:-1] if self._fans_out else scope.spots
        key = f"{Scope(scope.surroundings, self._step, spots=around).turn}.start"
        try:
            await permission(start_of(f"step {self._step!r}", key, scope.path, scope), scope)
        except StepFailed as failure:
            return failure
        return None


def start_of(what: str, key: str, about: str, scope: Scope) -> Question:
    """Whether something may start."""
    message = f"May {what} of {scope.surroundings.name!r} start?"
    return Question(key, about, scope.mask.text(message), (), PATIENCE)
