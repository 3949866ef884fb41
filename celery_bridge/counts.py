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

    def add(self, pipeline: Pipeline, amount: int = 1) -> None:
        """Count once more, or `amount` more."""
        pipeline.hincrby(KEY, json.dumps([self.count, self.queue, self.label]), amount)


async def counted(backend: Backend, add: Callable[[Pipeline], object]) -> None:
    """Count; but a server that can't be asked just now must not hinder the run, so it may stay uncounted."""
    with suppress(*AWAY):
        await backend.ask_all(add)


def count_end(pipeline: Pipeline, queue: str, verdict: str, seconds: float) -> None:
    """Count a run that ended, and how long it took."""
    Tally("ended", queue, verdict).add(pipeline)
    Tally("seconds", queue).add(pipeline, round(seconds * 1000))
    bucket = next((str(limit) for limit in BUCKETS if seconds <= limit), "+Inf")
    Tally("within", queue, bucket).add(pipeline)


def tallies(stored: Mapping[str, str]) -> dict[Tally, int]:
    """What is kept there, as it was counted. `seconds` are thousandths of them."""
    return {Tally(*json.loads(field)): int(amount) for field, amount in stored.items()}
