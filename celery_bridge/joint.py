"""A connection to the result backend for many who ask at the same time: their questions travel together."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from celery_bridge.clients import Backend

T = TypeVar("T")
MOST_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class _Asked:
    questions: Callable[[Pipeline], object]
    answers: asyncio.Future[list[Any]]


class JointBackend(Backend):
    """While one way there and back lasts, questions gather, and the next one takes them all.

    A thousand runs that begin at once would else stand in line with some thousands of them. What is asked
    with `ask` must be one command.
    """

    def __init__(self, url: str, name: str | None = None) -> None:
        super().__init__(url, name)
        self._asked: list[_Asked] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, question: Callable[[Redis], Awaitable[T]]) -> T:
        """The answer, or what hinders it."""
        (answer,) = await self.ask_all(question)
        if isinstance(answer, Exception):
            raise answer
        result: T = answer
        return result

    async def ask_all(self, questions: Callable[[Pipeline], object], *, together: bool = False) -> list[Any]:
        """The answers to many questions; an error may be one of them."""
        if together:
            return await super().ask_all(questions, together=True)
        asked = _Asked(questions, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_for_all())
        return await asked.answers

    async def _ask_for_all(self) -> None:
        while self._asked:
            some, self._asked = self._asked[:MOST_AT_ONCE], self._asked[MOST_AT_ONCE:]
            some = [asked for asked in some if not asked.answers.done()]  # nobody waits for the others
            try:
                await self._put(some)
            except Exception as error:  # noqa: BLE001 - theirs, who asked
                for asked in some:
                    if not asked.answers.done():
                        asked.answers.set_exception(error)

    async def _put(self, some: list[_Asked]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        ends = []
        for asked in some:
            asked.questions(pipeline)
            ends.append(len(pipeline))
        answers = await self._in_turn(lambda _: pipeline.execute(raise_on_error=False))
        for asked, begin, end in zip(some, [0, *ends], ends, strict=False):
            if not asked.answers.done():
                asked.answers.set_result(answers[begin:end])
