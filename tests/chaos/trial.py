"""Many workflows at once, while what they run on suffers one fault after the other; what became of them."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from celery_bridge.background import alongside
from celery_bridge.errors import BridgeError
from celery_bridge.remote import Link, link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from codegen.result import Report
from tests.chaos.faults import Stage, chosen
from tests.chaos.workload import Order, broken_promises, late_effects

AT_ONCE = 16
MOST_TRIES = 6
LONGEST = 300.0
LONGEST_STEP = 5.0
PAUSE = 3.0
TOLD_EVERY = 20.0


@dataclass
class Trial:
    """Orders, and what became of them so far."""

    orders: list[Order]
    ends: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    _under_way: dict[str, float] = field(default_factory=dict)
    _receipts: list[tuple[Order, list[str]]] = field(default_factory=list)

    async def run(self, settings: BridgeSettings, stage: Stage, every: float, within: float) -> None:
        """Run all orders while faults come. What has no end after so many seconds is left without."""
        began = time.monotonic()
        async with (
            alongside(self._told(stage)),
            alongside(torment(stage, every)) as tormenting,
            alongside(self._all(link_to(settings))) as running,
        ):
            await asyncio.wait([running, tormenting], timeout=within, return_when=asyncio.FIRST_COMPLETED)
            for task in (running, tormenting):
                if task.done():
                    task.result()
        self.seconds = time.monotonic() - began
        await asyncio.sleep(LONGEST_STEP)
        for order, receipt in self._receipts:
            self._blame(order, late_effects(order, receipt))

    @property
    def left(self) -> int:
        """How many have no end, because time was up."""
        return len(self.orders) - self.ends.total()

    def so_far(self, stage: Stage) -> str:
        """A line for people."""
        return (
            f"{self.ends.total()} of {len(self.orders)} runs: {dict(self.ends)}; "
            f"faults: {dict(stage.faults)}; given up: {dict(self.given_up)}"
        )

    async def _all(self, link: Link) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(order: Order) -> None:
            async with places:
                await self._one(link, order)

        async with asyncio.TaskGroup() as group:
            for order in self.orders:
                group.create_task(one(order))

    async def _one(self, link: Link, order: Order) -> None:
        id, began = order.submission.run_id, time.monotonic()
        self._under_way[id] = began
        try:
            # No timeout around it: who is cancelled once ends the run first, and may wait for that for ever.
            async with alongside(self._performed(link, order)) as performing:
                done, _ = await asyncio.wait([performing], timeout=LONGEST)
        finally:
            del self._under_way[id]
        self.slowest = max(self.slowest, time.monotonic() - began)
        if not done:
            self.ends["no end"] += 1
            self._blame(order, [f"no end after {LONGEST:.0f} s"])
            return
        report = performing.result()
        self.ends[_end(report)] += 1
        if report is not None and report.cancelled:
            self._receipts.append((order, order.course()))
        self._blame(order, broken_promises(order, report))

    async def _performed(self, link: Link, order: Order) -> Report | None:
        """Run an order to its end; one that was given up is tried again. None: it was given up each time."""
        submission, rng = order.submission, random.Random(order.submission.run_id)
        for _ in range(MOST_TRIES):
            async with alongside(run_remotely(link, submission)) as running:
                if order.cancelled:
                    await asyncio.sleep(rng.uniform(0.2, 2))
                    running.cancel()
                await asyncio.wait([running])
            try:
                report: Report = running.result()
                return report
            except (BridgeError, asyncio.CancelledError) as error:
                self.given_up[type(error).__name__] += 1
                submission = replace(submission, again=True)
                await asyncio.sleep(PAUSE)
        return None

    def _blame(self, order: Order, promises: Iterable[str]) -> None:
        for promise in promises:
            self.broken += 1
            tell(f"{order.submission.run_id}: {promise}; left behind: {order.course()}")

    async def _told(self, stage: Stage) -> None:
        began = latest = time.monotonic()
        ended = 0
        while True:
            await asyncio.sleep(TOLD_EVERY)
            now = time.monotonic()
            rate = (self.ends.total() - ended) / (now - latest)
            oldest = max((now - start for start in self._under_way.values()), default=0.0)
            tell(
                f"{now - began:.0f} s: {self.so_far(stage)}; {rate:.1f} runs/s, "
                f"{len(self._under_way)} under way, the oldest for {oldest:.0f} s"
            )
            ended, latest = self.ends.total(), now


async def torment(stage: Stage, every: float) -> None:
    """Bring about one fault after the other."""
    while True:
        await asyncio.sleep(stage.rng.uniform(0.5, 1.5) * every)
        await asyncio.to_thread(stage.inflict, chosen(stage))


def tell(text: str) -> None:
    """Print, at once, also into a file."""
    print(text, flush=True)


def _end(report: Report | None) -> str:
    if report is None:
        return "given up"
    if any(record.status == "lost" for record in report.steps.values()):
        return "lost"
    return "cancelled" if report.cancelled else "succeeded" if report.success else "failed"
