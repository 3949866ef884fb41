"""What can go wrong beneath a run on Celery, how to bring it about, and what is promised then.

`python -m tests.chaos.faults` writes the page of the docs that says so; with `--check` it only compares.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from redis import Redis

from tests.integration.brokers import RabbitServer, RedisServer, Worker, children

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"
BEGIN = "<!-- Generated from tests/chaos/faults.py: python -m tests.chaos.faults -->"
END = "<!-- The end of what is generated. -->"


@dataclass
class Stage:
    """What the runs run on, and what was done to it."""

    redis: RedisServer
    workers: list[Worker]
    rng: random.Random
    rabbitmq: RabbitServer | None = None
    """The broker, where that isn't the Redis."""
    only: str = ""
    """A part of the names of the faults that are wanted."""
    faults: Counter[str] = field(default_factory=Counter)

    def inflict(self, fault: Fault) -> None:
        """Bring a fault about; what has ended by then is started again first."""
        for worker in self.workers:
            if worker.process is None or worker.process.poll() is not None:
                # Celery's workers do so now and then when their Redis goes.
                self.faults["worker died by itself"] += 1
                worker.start()
        self.faults[fault.name] += 1
        fault.inflict(self, self.rng.choice(self.workers))


@dataclass(frozen=True, slots=True)
class Fault:
    """`share`: how often it comes, beside the others. `outcome`, `within`: what is promised, for people.

    `only_with`: the broker to which it can happen.
    """

    name: str
    share: int
    outcome: str
    within: str
    inflict: Callable[[Stage, Worker], None]
    only_with: Literal["rabbitmq"] | None = None


def _kill_process(stage: Stage, worker: Worker) -> None:
    if pool := worker.pool():
        with suppress(ProcessLookupError):
            os.kill(stage.rng.choice(pool), signal.SIGKILL)


def _kill_step(stage: Stage, worker: Worker) -> None:
    if steps := [step for process in worker.pool() for step in children(process)]:
        with suppress(ProcessLookupError):
            os.kill(stage.rng.choice(steps), signal.SIGKILL)


def _kill_worker(stage: Stage, worker: Worker) -> None:
    worker.kill_all()
    worker.start()


def _drain_worker(stage: Stage, worker: Worker) -> None:
    assert worker.process is not None
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(120)
    worker.start()


def _freeze_worker(stage: Stage, worker: Worker) -> None:
    assert worker.process is not None
    with _stopped([worker.process.pid, *worker.pool()]):
        time.sleep(stage.rng.uniform(1, 30))


def _kill_redis(stage: Stage, worker: Worker) -> None:
    stage.redis.kill()
    stage.redis.start()


def _freeze_redis(stage: Stage, worker: Worker) -> None:
    with _stopped([stage.redis.pid]):
        time.sleep(stage.rng.uniform(1, 15))


def _fill_redis(stage: Stage, worker: Worker) -> None:
    with Redis.from_url(stage.redis.url) as redis:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 1)
        time.sleep(stage.rng.uniform(1, 15))
        redis.config_set("maxmemory", 0)


def _restart_rabbitmq(stage: Stage, worker: Worker) -> None:
    assert stage.rabbitmq is not None
    stage.rabbitmq.stop()
    stage.rabbitmq.start()


def _cut_connections(stage: Stage, worker: Worker) -> None:
    with Redis.from_url(stage.redis.url) as redis:
        for kind in ("normal", "pubsub"):
            redis.client_kill_filter(_type=kind)


@contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    """Processes that stand still meanwhile, as if cut off from all others."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


FAULTS = (
    Fault(
        "a process of a worker's pool is killed",
        6,
        "Celery hands the message to another process, which goes on after the last step that has its end "
        "written down. After a third death the run is stopped, and the step it was at is named",
        "about 20 s",
        _kill_process,
    ),
    Fault(
        "what a step has started is killed, as by the kernel for want of memory",
        2,
        "The step fails, with the signal in its message, and the workflow goes on as after any failure",
        "at once",
        _kill_step,
    ),
    Fault(
        "a worker and all its processes are killed, or its machine dies",
        2,
        "The router notices that nobody holds the run's lease and sends it again under the same id; another "
        "worker goes on. So it is with a run whose message the worker had taken and not begun, once that is "
        "neither in the queue nor at a worker that answers",
        "about 35 s (45 s where it had not begun); 120 s without another worker, then the run is `Lost`",
        _kill_worker,
    ),
    Fault(
        "a worker is told to end (SIGTERM)",
        1,
        "It takes nothing new and ends its runs; what waits goes to the others",
        "at once",
        _drain_worker,
    ),
    Fault(
        "a worker stands still, or is cut off, and comes back",
        2,
        "Back within the lease it goes on. One that couldn't renew its lease begins nothing more until it "
        "can. Where another worker has taken over by then, it notices, kills what its step started, and "
        "reports nothing",
        "10 s until it may be taken over, about 35 s until it is",
        _freeze_worker,
    ),
    Fault(
        "the Redis is killed and comes back (append-only file)",
        2,
        "Workers go on with the steps that they are at and tell later; no message and no entry of a journal "
        "is lost (a power cut may cost the last second: `appendfsync everysec`). A step that is not "
        "idempotent isn't begun until the Redis has taken its beginning; after 10 s none is",
        "as long as the Redis is away",
        _kill_redis,
    ),
    Fault(
        "the Redis stands still, or is cut off",
        1,
        "As above. What can't be written within 30 s to 120 s fails the step or the run with a message that "
        "says so",
        "as long as the Redis is away",
        _freeze_redis,
    ),
    Fault(
        "all connections to the Redis are cut",
        2,
        "Workers, senders and followers connect again; what was being written is written once",
        "about 1 s",
        _cut_connections,
    ),
    Fault(
        "the Redis is full (`maxmemory` with `noeviction`)",
        1,
        "As when it stands still; leases are renewed all the same, so nobody takes over. What is sent "
        "or cancelled meanwhile is an error with Redis's own words. Celery's worker may end by itself",
        "as long as it is full",
        _fill_redis,
    ),
    Fault(
        "the RabbitMQ is started again",
        2,
        "Workers go on with their steps and connect again. A message that is handed out once more waits for "
        "the end of the run; what is sent meanwhile is an error, and what is sent afterwards arrives",
        "as long as it is away",
        _restart_rabbitmq,
        only_with="rabbitmq",
    ),
)


def chosen(stage: Stage) -> Fault:
    """One of those that can happen there, as often as its share says."""
    broker = "redis" if stage.rabbitmq is None else "rabbitmq"
    faults = [fault for fault in FAULTS if fault.only_with in (None, broker) and stage.only in fault.name]
    return stage.rng.choices(faults, [fault.share for fault in faults])[0]


def table() -> str:
    """What is promised, for people."""
    rows = ["| what happens | what becomes of the runs | how long it takes |", "| --- | --- | --- |"]
    return "\n".join([*rows, *(f"| {one.name} | {one.outcome} | {one.within} |" for one in FAULTS)])


def page(now: str) -> str:
    """The page with its generated part renewed."""
    before, _, rest = now.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def main() -> None:
    """Renew the page, or with `--check` say whether it is up to date."""
    now = PAGE.read_text(encoding="utf-8")
    fresh = page(now)
    if "--check" in sys.argv and now != fresh:
        sys.exit(f"docs/reference/{PAGE.name} is out of date; run: python -m tests.chaos.faults")
    PAGE.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
