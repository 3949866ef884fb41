"""What the Celery workers of our queues say of themselves."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from celery import Celery

from celery_bridge.app import make_app
from celery_bridge.attendance import BROKER_AWAY, queues_taken
from celery_bridge.introduction import INTRODUCE
from celery_bridge.tasks import RUN_WORKFLOW
from celery_bridge.urls import masked, speaks_redis
from doctor.clocks import Clock
from doctor.findings import NotSeen, skipped
from doctor.redis_server import queue_lengths
from doctor.site import Bridge

ANSWER_WITHIN = 3.0
_CELERY = re.compile(r"celery:(\S+)")


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker; `versions` is what it says by our own command, empty where it has only Celery's."""

    name: str
    queues: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    conf: Mapping[str, Any] | None = field(default_factory=dict)
    """Its settings that are no defaults; None: it didn't tell them."""
    pool: str = ""
    processes: int = 0
    prefetched: int | None = None
    celery: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    result_backend: str | None = None
    state_db: str | None = None
    clock: Clock | None = None

    @property
    def introduced(self) -> bool:
        """Whether it knows our own command."""
        return bool(self.versions)

    @property
    def has_other_tasks(self) -> bool:
        """Whether it runs an application's own tasks, too."""
        return any(not name.startswith(("celery.", "opsconductor.")) for name in self.tasks)

    @property
    def takes_workflows(self) -> bool:
        """Whether it knows the task that workflows are sent as."""
        return RUN_WORKFLOW in self.tasks


@dataclass(frozen=True, slots=True)
class WorkersSeen:
    """The workers of our queues, the usual one first. `elsewhere`: workers that have nothing to do with us.

    `waiting`: the messages in each queue, as far as that can be told.
    """

    queues: tuple[str, ...]
    broker: str
    result_backend: str
    workers: tuple[Worker, ...] = ()
    elsewhere: tuple[str, ...] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)

    @property
    def settings(self) -> list[tuple[Worker, Mapping[str, Any]]]:
        """The workers that told their settings; of others nothing may be taken for a default."""
        return [(worker, worker.conf) for worker in self.workers if worker.conf is not None]


def see_workers(bridge: Bridge) -> WorkersSeen:
    """Ask all workers. NotSeen when the broker can't be asked."""
    settings = bridge.settings
    app = make_app(settings, for_sending=True)
    try:
        taken = _roll(app, bridge)
        answers = _answers(app, sorted(taken))
        names = [name for name in sorted(taken) if _is_ours(answers[name], taken[name], bridge)]
        waiting = _waiting(bridge)
    except BROKER_AWAY:
        raise NotSeen(skipped("workers can't be asked", "the broker can't be reached")) from None
    finally:
        app.close()
    return WorkersSeen(
        queues=bridge.queues,
        broker=masked(settings.broker_url),
        result_backend=masked(settings.result_backend),
        workers=tuple(_worker(name, taken[name], answers[name]) for name in names),
        elsewhere=tuple(sorted(set(taken) - set(names))),
        waiting=waiting,
    )


def _roll(app: Celery, bridge: Bridge) -> dict[str, frozenset[str]]:
    """Who takes from which queues. Before a worker is called missing it is given more time."""
    taken = queues_taken(app)
    attended = {queue for queues in taken.values() for queue in queues}
    return taken if attended >= set(bridge.queues) else taken | queues_taken(app, within=ANSWER_WITHIN)


def _is_ours(answers: Mapping[str, Any], queues: frozenset[str], bridge: Bridge) -> bool:
    return bool(queues & set(bridge.queues)) or RUN_WORKFLOW in _tasks(answers)


def _answers(app: Celery, names: list[str]) -> dict[str, dict[str, Any]]:
    """What each says to each question. Our own is for those that have our tasks: others would log it."""
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    for command in ("registered", "conf", "stats", "report"):
        _ask(app, command, names, found)
    ours = [name for name in names if _tasks(found[name]) & {RUN_WORKFLOW}]
    asked = time.time()
    _ask(app, INTRODUCE, ours, found)
    took = time.time() - asked
    for name in ours:
        found[name] |= {"asked": asked, "took": took}
    return found


def _ask(app: Celery, command: str, names: list[str], found: dict[str, dict[str, Any]]) -> None:
    if not names:
        return
    replies = app.control.broadcast(
        command, destination=names, reply=True, timeout=ANSWER_WITHIN, limit=len(names)
    )
    for reply in replies or []:
        for name, answer in reply.items():
            found.setdefault(name, {})[command] = answer


def _tasks(answers: Mapping[str, Any]) -> frozenset[str]:
    told = answers.get("registered")
    return frozenset(str(one).partition(" ")[0] for one in told) if isinstance(told, list) else frozenset()


def _worker(name: str, queues: frozenset[str], answers: Mapping[str, Any]) -> Worker:
    stats = _mapping(answers, "stats")
    pool, own = _mapping(stats, "pool"), _mapping(answers, INTRODUCE)
    software = _CELERY.search(str(_mapping(answers, "report").get("ok", "")))
    return Worker(
        name=name,
        queues=queues,
        tasks=_tasks(answers),
        conf=_mapping(answers, "conf") if "conf" in answers else None,
        pool=str(pool.get("implementation", "")),
        processes=int(pool.get("max-concurrency") or 0),
        prefetched=stats.get("prefetch_count"),
        celery=software[1] if software else "",
        versions=_mapping(own, "versions"),
        result_backend=own.get("result_backend"),
        state_db=own.get("state_db"),
        clock=Clock.read(own["time"], answers["asked"], answers["took"]) if "time" in own else None,
    )


def _mapping(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _waiting(bridge: Bridge) -> dict[str, int]:
    """Messages in the queues of a Redis; a RabbitMQ is asked with its queues."""
    url = bridge.settings.broker_url
    return queue_lengths(url, bridge.queues) if speaks_redis(url) else {}
