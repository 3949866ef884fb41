"""What a workflow costs on its way through Celery, beside a Celery task of the same shape that does nothing.

Both go through the same broker and the same worker, in turn, so that a busy machine slows both: one after the
other, then many at once. The task acknowledges late and its result is stored, as Celery does it; the workflow
has one step that does nothing. CPU time is that of the process that sends and follows, of the broker and of
the worker; where they share few cores, their sum decides how many runs a second there can be.

Run it from the root: `python -m benchmarks.bench_celery_path [--at-once 500] [--turns 5]`.
Goals: at most 10 ms more at the median, and 0.7 of the throughput.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

from celery import Celery
from redis import Redis

from benchmarks.usage import cpu_seconds, family, machine
from celery_bridge.app import make_app
from celery_bridge.remote import Link, link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from tests.integration.brokers import RedisServer, Worker, redis_server, worker

ROUNDS = 300
NOTHING = "bench.nothing"
DOCUMENT = {"name": "one step", "steps": [{"id": "a", "type": "set", "values": {"x": 1}}]}
TASK = f"""
from celery import shared_task

@shared_task(name={NOTHING!r}, acks_late=True, reject_on_worker_lost=True, track_started=True)
def nothing(**document):
    return {{"x": 1}}
"""


@dataclass
class Use:
    """What many runs at once took: one entry for each turn."""

    name: str
    rate: list[float] = field(default_factory=list)
    commands: list[float] = field(default_factory=list)
    cpu: dict[str, list[float]] = field(default_factory=lambda: {"here": [], "broker": [], "worker": []})

    def all_cpu(self) -> list[float]:
        """Milliseconds of CPU for a run, turn by turn."""
        return [sum(turn) for turn in zip(*self.cpu.values(), strict=True)]


class Bench:
    """A broker, a worker, and both ways through them."""

    def __init__(self, server: RedisServer, worker: Worker) -> None:
        assert worker.process is not None
        self.settings = BridgeSettings.of(server.url)
        self.app = make_app(self.settings)
        self._url = server.url
        self._watched = {"broker": [server.pid], "worker": family(worker.process.pid)}

    def send_many(self, count: int) -> None:
        """Tasks of Celery, all in flight together."""
        for result in [send(self.app) for _ in range(count)]:
            result.get(timeout=300)

    def submit_many(self, count: int) -> None:
        """Workflows, all in flight together."""

        async def all_of_them() -> None:
            link = link_to(self.settings)
            await asyncio.gather(*(submit_and_follow(link) for _ in range(count)))

        asyncio.run(all_of_them())

    @contextmanager
    def measured(self, use: Use, count: int) -> Iterator[None]:
        """Add what the block takes for each of so many runs."""
        begun, cpu, commands = time.perf_counter(), self._cpu(), self._commands()
        yield
        use.rate.append(count / (time.perf_counter() - begun))
        use.commands.append((self._commands() - commands) / count)
        for place, seconds in self._cpu().items():
            use.cpu[place].append((seconds - cpu[place]) / count * 1000)

    def _cpu(self) -> dict[str, float]:
        watched = {place: cpu_seconds(pids) for place, pids in self._watched.items()}
        return {"here": time.process_time(), **watched}

    def _commands(self) -> int:
        with Redis.from_url(self._url) as client:
            stats = client.info("commandstats")
        assert isinstance(stats, dict)
        return sum(one["calls"] for one in stats.values())


def send(app: Celery):  # type: ignore[no-untyped-def]  # Celery's results have no types
    """The baseline: an equal message, an equal way of acknowledging, and a result."""
    return app.send_task(NOTHING, kwargs={"document": DOCUMENT})


async def submit_and_follow(link: Link) -> None:
    """The same through the bridge: recorded, sent, claimed, interpreted, streamed, reported."""
    report = await run_remotely(link, Submission(DOCUMENT, {}, [], str(uuid4())))
    assert report.success


async def in_turn(bench: Bench, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each round of both ways."""
    link = link_to(bench.settings)
    baseline, bridge = [], []
    for _ in range(rounds):
        baseline.append(await timed(lambda: asyncio.to_thread(lambda: send(bench.app).get(timeout=300))))
        bridge.append(await timed(lambda: submit_and_follow(link)))
    return baseline, bridge


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    await work()
    return (time.perf_counter() - start) * 1000


def at_once(bench: Bench, count: int, turns: int) -> tuple[Use, Use]:
    """What both take with so many in flight, in turn."""
    baseline, bridge = Use("tasks of Celery"), Use("workflows")
    for _ in range(turns):
        with bench.measured(baseline, count):
            bench.send_many(count)
        with bench.measured(bridge, count):
            bench.submit_many(count)
    return baseline, bridge


def show_times(baseline: list[float], bridge: list[float]) -> None:
    """The table of those that went one after the other."""
    print(f"{'one after the other':<24}{'median':>11}{'95 %':>11}{'best':>11}")
    for name, times in (("send_task + get", baseline), ("submit + follow", bridge)):
        worst = quantiles(times, n=20)[-1]
        print(f"{name:<24}{median(times):>8.1f} ms{worst:>8.1f} ms{min(times):>8.1f} ms")
    print(f"more than the baseline: {median(bridge) - median(baseline):.1f} ms (goal: under 10)\n")


def show_use(count: int, baseline: Use, bridge: Use) -> None:
    """The table of those that went at once, and the medians of the ratios turn by turn."""
    title = f"{count} at once"
    print(
        f"{title:<18}{'a second':>10}{'commands':>10}{'CPU ms: here':>15}{'broker':>8}{'worker':>8}{'all':>7}"
    )
    for use in (baseline, bridge):
        cpu = "".join(
            f"{median(times):>{width}.2f}" for times, width in zip(use.cpu.values(), (15, 8, 8), strict=True)
        )
        row = f"{use.name:<18}{median(use.rate):>10.0f}{median(use.commands):>10.0f}"
        print(f"{row}{cpu}{median(use.all_cpu()):>7.2f}")
    by_clock = median(ours / raw for raw, ours in zip(baseline.rate, bridge.rate, strict=True))
    by_cpu = median(raw / ours for raw, ours in zip(baseline.all_cpu(), bridge.all_cpu(), strict=True))
    print(f"throughput of the baseline's: {by_clock:.2f} by the clock, {by_cpu:.2f} by CPU (goal: 0.7)")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--at-once", type=int, default=500)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench_nothing.py").write_text(TASK)
        options = ("-I", "bench_nothing", "--concurrency=4", "--without-mingle", "--without-gossip")
        with redis_server(folder) as server, worker(folder, server.url, server.url, *options) as started:
            bench = Bench(server, started)
            asyncio.run(in_turn(bench, ROUNDS // 10))
            print(machine())
            show_times(*asyncio.run(in_turn(bench, ROUNDS)))
            show_use(given.at_once, *at_once(bench, given.at_once, given.turns))


if __name__ == "__main__":
    main()
