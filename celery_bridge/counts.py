"""Counts of what becomes of runs, kept in the result backend so that all processes add to the same."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from redis.asyncio.client import Pipeline

from celery_bridge.clients import AWAY, Backend

KEY = "opsconductor:counts"
BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 14400)
"""Seconds; how long runs took is counted by these."""

Count = Literal["submitted", "received", "redelivered", "lost", "ended", "seconds", "within"]


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted, for one queue; `label` is how a run ended, or the bucket that it fell into."""

    count: Count
    queue: str
    label: str = ""

    @property
    def field(self) -> str:
        """Where it is kept."""
        return json.dumps([self.count, self.queue, self.label])

    def add(self, pipeline: Pipeline) -> None:
        """Count once more."""
        pipeline.hincrby(KEY, self.field, 1)


async def counted(backend: Backend, add: Callable[[Pipeline], object]) -> None:
    """Count; but a server that can't be asked just now must not hinder the run, so it may stay uncounted."""
    with suppress(*AWAY):
        await backend.ask_all(add)


def counts_of_end(queue: str, verdict: str, seconds: float) -> dict[Tally, int]:
    """What is to be counted of a run that ended, and how long it took."""
    bucket = next((str(limit) for limit in BUCKETS if seconds <= limit), "+Inf")
    return {
        Tally("ended", queue, verdict): 1,
        Tally("seconds", queue): round(seconds * 1000),
        Tally("within", queue, bucket): 1,
    }


def tallies(stored: Mapping[str, str]) -> dict[Tally, int]:
    """What is kept there, as it was counted. `seconds` are thousandths of them."""
    return {Tally(*json.loads(field)): int(amount) for field, amount in stored.items()}
