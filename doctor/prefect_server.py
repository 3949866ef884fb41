"""What a Prefect server says of itself and of our deployments."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from celery_bridge.urls import masked
from control.services import CLIENT_SETTINGS
from doctor.clocks import Clock
from doctor.findings import NotSeen, fault
from doctor.prefect_api import PrefectApi, Refused
from doctor.site import Site

FLOW = "route-workflow"
HEARTBEAT = "prefect.flow-run.heartbeat"
OUR_HEARTBEAT = CLIENT_SETTINGS["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]
_OURS = {"flows": {"name": {"any_": [FLOW]}}}
_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment of the router. `ready`: somebody asks for its runs."""

    name: str
    ready: bool
    paused: bool
    pool: str | None


@dataclass(frozen=True, slots=True)
class Pool:
    """A work pool; `kind` such as `process`, `online` its workers that sent a heartbeat of late."""

    name: str
    kind: str
    paused: bool
    online: int
    offline: int


@dataclass(frozen=True, slots=True)
class Watch:
    """An automation that acts when heartbeats of flow runs stay away for `within` seconds."""

    name: str
    within: float
    expects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PrefectSeen:
    """A Prefect server. None means that it doesn't tell."""

    url: str
    own: bool
    server_version: str | None = None
    settings: dict[str, Any] | None = None
    database_file: bool = False
    flow_runs: int | None = None
    late: int | None = None
    deployments: tuple[Deployment, ...] | None = None
    pools: tuple[Pool, ...] = ()
    watches: tuple[Watch, ...] | None = None
    heartbeat: float | None = None
    clock: Clock | None = None
    unanswered: tuple[str, ...] = field(default=())

    def setting(self, *path: str) -> Any:
        """One of its settings, such as `setting("server", "database", "driver")`; None: it is not told."""
        here: Any = self.settings
        for name in path:
            here = here.get(name) if isinstance(here, dict) else None
        return here


def see_prefect(site: Site) -> PrefectSeen:
    """Ask the server. NotSeen when it doesn't answer or refuses us."""
    with site.prefect() as api:
        _require_health(api, site)
        api.take_token()
        questions = _Questions(api)
        settings = questions.get("/admin/settings")
        deployments = questions.post("/deployments/filter", _OURS)
        late = {"flow_runs": {"state": {"name": {"any_": ["Late"]}}}}
        automations = questions.post("/automations/filter", {})
        known = tuple(map(_deployment, deployments)) if deployments is not None else None
        return PrefectSeen(
            url=masked(site.prefect_api_url or ""),
            own=site.own_prefect,
            server_version=questions.get("/admin/version"),
            settings=settings,
            database_file=_database_file(settings),
            flow_runs=questions.post("/flow_runs/count", {}),
            late=questions.post("/flow_runs/count", {**_OURS, **late}),
            deployments=known,
            pools=tuple(_pool(questions, name) for name in sorted({d.pool for d in known or () if d.pool})),
            watches=tuple(_watches(automations)) if automations is not None else None,
            heartbeat=_heartbeat(site),
            clock=api.clock(),
            unanswered=tuple(questions.unanswered),
        )


class _Questions:
    """Asks what may be refused without all else being in vain: Prefect Cloud and old servers lack some."""

    def __init__(self, api: PrefectApi) -> None:
        self._api = api
        self.unanswered: list[str] = []

    def get(self, path: str) -> Any:
        return self._asked(lambda: self._api.get(path))

    def post(self, path: str, data: dict[str, Any]) -> Any:
        return self._asked(lambda: self._api.post(path, data))

    def _asked(self, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except Refused as refusal:
            self.unanswered.append(str(refusal))
            return None


def _require_health(api: PrefectApi, site: Site) -> None:
    url = masked(site.prefect_api_url or "")
    try:
        healthy = api.get("/health")
    except Refused as refusal:
        if refusal.status in (401, 403):
            cure = "set PREFECT_API_KEY or PREFECT_API_AUTH_STRING to what the server asks for"
            raise NotSeen(fault(f"the Prefect server {url} refuses us", str(refusal), cure)) from None
        maybe = ": perhaps it is not Prefect's API, whose URL ends in /api" if refusal.status == 404 else ""
        what, cause = f"the Prefect server {url} can't be used", f"{refusal}{maybe}"
        raise NotSeen(fault(what, cause, _restart(site))) from None
    if healthy is not True:
        cause = "what answers there is not Prefect's API, whose URL ends in /api"
        raise NotSeen(fault(f"the Prefect server {url} can't be used", cause, "correct PREFECT_API_URL"))


def _restart(site: Site) -> str:
    if site.own_prefect:
        return "start it, or correct PREFECT_API_URL; without that variable the built-in server is used"
    return f"look at {site.home.log_file('prefect')}; `opsconductor down` and `opsconductor up` start it anew"


def _database_file(settings: Any) -> bool:
    """Whether the server's folder is on this machine and holds an SQLite database in use."""
    home = settings.get("home") if isinstance(settings, dict) else None
    try:
        return isinstance(home, str) and Path(home, "prefect.db-wal").exists()
    except OSError:
        return False


def _deployment(data: dict[str, Any]) -> Deployment:
    ready = data.get("status") != "NOT_READY"
    return Deployment(f"{FLOW}/{data['name']}", ready, bool(data.get("paused")), data.get("work_pool_name"))


def _pool(questions: _Questions, name: str) -> Pool:
    data = questions.get(f"/work_pools/{name}") or {}
    workers = questions.post(f"/work_pools/{name}/workers/filter", {}) or []
    online = sum(worker.get("status") == "ONLINE" for worker in workers)
    return Pool(name, str(data.get("type", "")), bool(data.get("is_paused")), online, len(workers) - online)


def _watches(automations: list[dict[str, Any]]) -> Iterator[Watch]:
    for one in automations:
        trigger = one.get("trigger") or {}
        named = {*trigger.get("after", ()), *trigger.get("expect", ())}
        if one.get("enabled") and trigger.get("posture") == "Proactive" and HEARTBEAT in named:
            within = trigger.get("within", 0)
            yield Watch(str(one.get("name")), seconds_of(within), tuple(sorted(trigger.get("expect", ()))))


def seconds_of(value: Any) -> float:
    """A time span as Prefect writes it: seconds, or text such as `P90D`."""
    return _DURATION.validate_python(value).total_seconds()


def _heartbeat(site: Site) -> float | None:
    """How often runs of this environment send a heartbeat, in seconds; None: they don't."""
    if site.own_prefect:
        from prefect.settings import get_current_settings

        return get_current_settings().flows.heartbeat_frequency
    return float(site.environment.get("PREFECT_FLOWS_HEARTBEAT_FREQUENCY") or OUR_HEARTBEAT)
