"""Work that goes on to its end: who asked for it, and was cancelled meanwhile, ends then."""

import asyncio

import pytest

from steps.shielded import to_its_end


async def _asked_to_end(asked: int, *, fails: bool = False) -> tuple[asyncio.Task[str], list[str]]:
    """Somebody who waits for work and is cancelled so many times before the work is over."""
    done, go = list[str](), asyncio.Event()

    async def work() -> str:
        await go.wait()
        done.append("work")
        if fails:
            raise ValueError("no")
        return "it"

    waiting = asyncio.create_task(to_its_end(work()))
    await asyncio.sleep(0)
    for _ in range(asked):
        waiting.cancel()
        await asyncio.sleep(0)
    assert not done
    assert not waiting.done()
    go.set()
    await asyncio.wait([waiting])
    return waiting, done


async def test_nobody_is_cancelled() -> None:
    """What the work gives, or fails with."""
    waiting, _ = await _asked_to_end(0)
    assert waiting.result() == "it"
    failed, _ = await _asked_to_end(0, fails=True)
    with pytest.raises(ValueError, match="no"):
        failed.result()


@pytest.mark.parametrize("asked", [1, 3])
@pytest.mark.parametrize("fails", [False, True])
async def test_who_is_cancelled_ends_after_the_work(asked: int, *, fails: bool) -> None:
    """However often, and whatever becomes of the work: a cancellation is not lost."""
    waiting, done = await _asked_to_end(asked, fails=fails)
    assert done == ["work"]
    assert waiting.cancelled()
