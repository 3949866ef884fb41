"""Questions that are put for all who ask meanwhile."""

import asyncio

import pytest

from celery_bridge.rounds import Rounds


async def test_who_comes_meanwhile_is_asked_for_together() -> None:
    """One question is under way at a time; each gets the answer to the one that it was in."""
    asked: list[list[str]] = []
    begun, gate = asyncio.Event(), asyncio.Event()

    async def ask(ids: list[str]) -> str:
        asked.append(ids)
        begun.set()
        await gate.wait()
        return "+".join(ids)

    rounds = Rounds(ask)
    first = asyncio.create_task(rounds.answer("a"))
    await begun.wait()
    others = [asyncio.create_task(rounds.answer(id)) for id in "bcd"]
    for _ in range(5):
        await asyncio.sleep(0)
    assert asked == [["a"]]
    gate.set()
    assert await first == "a"
    assert await asyncio.gather(*others) == ["b+c+d"] * 3
    assert asked == [["a"], ["b", "c", "d"]]


async def test_who_gives_up_takes_the_answer_from_nobody() -> None:
    """The question goes on for the others."""
    gate = asyncio.Event()

    async def ask(ids: list[str]) -> int:
        await gate.wait()
        return len(ids)

    rounds = Rounds(ask)
    gone, there = (asyncio.create_task(rounds.answer(id)) for id in "ab")
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    gate.set()
    assert await there == 2


async def test_a_question_that_fails_fails_for_all_in_it() -> None:
    """The next one is asked anew."""
    errors = [OSError("away")]

    async def ask(ids: list[str]) -> int:
        if errors:
            raise errors.pop()
        return len(ids)

    rounds = Rounds(ask)
    said = await asyncio.gather(rounds.answer("a"), rounds.answer("b"), return_exceptions=True)
    assert [type(one) for one in said] == [OSError, OSError]
    assert await rounds.answer("c") == 1
