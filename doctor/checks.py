"""All looks and all checks of an installation."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import NoReturn

from celery_bridge.introduction import versions
from doctor import (
    documents,
    folder,
    packages,
    prefect_checks,
    rabbitmq,
    redis_checks,
    timeouts,
    worker_checks,
)
from doctor.attendance_checks import judge_attendance
from doctor.documents import see_documents
from doctor.examination import Check, Look, Result, examine
from doctor.findings import Finding, NotSeen, fault, fine, skipped, without
from doctor.folder import see_folder, see_services
from doctor.packages import PackagesSeen, see_packages
from doctor.prefect_server import PrefectSeen, see_prefect
from doctor.rabbitmq import RabbitSeen, see_rabbitmq
from doctor.redis_server import see_redis_broker, see_results
from doctor.site import Bridge, Site, find_bridge, same_server
from doctor.workers import WorkersSeen, see_workers


class _Once:
    """Finds the broker for all who ask, once."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.secrets: frozenset[str] = frozenset()
        self._lock = Lock()
        self._found: Bridge | None = None

    def __call__(self) -> Bridge:
        with self._lock:
            if self._found is None:
                self._found = find_bridge(self._site)
                self.secrets = self._found.secrets
            return self._found


def looks_at(site: Site, bridge: Callable[[], Bridge]) -> Mapping[str, Look]:
    """Everything that is looked at; `bridge` finds the broker."""
    named = bool(site.environment.get("OPSCONDUCTOR_WORKFLOWS"))
    return {
        "packages": Look("packages", see_packages),
        "folder": Look("home", partial(see_folder, site)),
        "services": Look("home", partial(see_services, site, bridge)),
        "documents": Look("documents", partial(see_documents, site.folders, named), deadline=60.0),
        "prefect": Look("prefect", partial(see_prefect, site)),
        "address": Look("broker", bridge),
        "redis": Look("broker", lambda: see_redis_broker(bridge())),
        "rabbitmq": Look("broker", lambda: see_rabbitmq(bridge())),
        "results": Look("results", lambda: see_results(bridge())),
        "workers": Look("workers", lambda: see_workers(bridge()), deadline=30.0),
    }


def examined(site: Site) -> list[Result]:
    """What there is to say of an installation, without passwords."""
    bridge = _Once(site)
    results = examine(looks_at(site, bridge), CHECKS)
    secrets = site.secrets | bridge.secrets
    return [replace(one, finding=without(one.finding, secrets)) for one in results]


def refused(site: Site, message: str) -> list[Result]:
    """What can be said where a setting can't be used: servers are not looked for at a wrong place."""
    what, _, cure = message.partition(": ")
    cause = "where servers are and how they are used is not known"
    nothing = skipped("servers were not looked at", "a setting in the environment can't be used")
    looks = {
        name: look
        if name in ("folder", "documents", "packages")
        else replace(look, see=partial(_give_up, nothing))
        for name, look in looks_at(site, _Once(site)).items()
    }
    wrong = Result("settings", "environment", fault(what, cause, cure.rstrip(".")))
    return [wrong, *examine(looks, CHECKS)]


def _give_up(finding: Finding) -> NoReturn:
    raise NotSeen(finding)


def _version(seen: PrefectSeen, installed: PackagesSeen) -> Iterable[Finding]:
    return prefect_checks.judge_version(seen, installed.installed("prefect"), installed.wanted("prefect"))


def _worker_versions(seen: WorkersSeen) -> Iterable[Finding]:
    return worker_checks.judge_worker_versions(seen, versions())


def _same_results(seen: WorkersSeen) -> Iterable[Finding]:
    return worker_checks.judge_same_results(seen, same_server)


def _visibility(
    bridge: Bridge, rabbit: RabbitSeen | None, seen: WorkersSeen, known: documents.DocumentsSeen
) -> Iterable[Finding]:
    if rabbit is not None:
        return ()
    return timeouts.judge_visibility(timeouts.our_visibility_timeout(bridge.settings), seen, known)


def _where_results_are(bridge: Bridge) -> Iterable[Finding]:
    settings = bridge.settings
    if settings.result_backend == settings.broker_url:
        yield fine("results are kept by the broker", source=bridge.source)


_Judge = Callable[..., Iterable[Finding]]
_REDIS: tuple[tuple[str, _Judge], ...] = (
    ("version", redis_checks.judge_redis_version),
    ("eviction", redis_checks.judge_eviction),
    ("memory", redis_checks.judge_memory),
    ("persistence", redis_checks.judge_persistence),
    ("writing", redis_checks.judge_writing),
    ("clock", redis_checks.judge_redis_clock),
)

CHECKS: tuple[Check, ...] = (
    Check("home", "folder", ("folder",), folder.judge_folder),
    Check("home", "disk space", ("folder",), folder.judge_space),
    Check("home", "privacy", ("folder",), folder.judge_privacy),
    Check("home", "services", ("services",), folder.judge_services),
    Check("home", "ports", ("services",), folder.judge_ports),
    Check("documents", "folders", ("documents",), documents.judge_folders),
    Check("documents", "documents", ("documents",), documents.judge_documents),
    Check("packages", "Python", ("packages",), packages.judge_python),
    Check("packages", "packages", ("packages",), packages.judge_packages),
    Check("prefect", "version", ("prefect", "packages"), _version),
    Check("prefect", "database", ("prefect",), prefect_checks.judge_database),
    Check("prefect", "clean-up", ("prefect",), prefect_checks.judge_clean_up),
    Check("prefect", "concurrency leases", ("prefect",), prefect_checks.judge_leases),
    Check("prefect", "heartbeats", ("prefect",), prefect_checks.judge_heartbeats),
    Check("prefect", "router", ("prefect",), prefect_checks.judge_deployments),
    Check("prefect", "work pools", ("prefect",), prefect_checks.judge_pools),
    Check("prefect", "late runs", ("prefect",), prefect_checks.judge_late),
    Check("prefect", "clock", ("prefect",), prefect_checks.judge_prefect_clock),
    *(Check("broker", name, ("redis",), judge) for name, judge in _REDIS),
    Check("broker", "version", ("rabbitmq",), rabbitmq.judge_rabbitmq_version),
    Check("broker", "queue", ("rabbitmq",), rabbitmq.judge_queue_type),
    Check("broker", "consumer timeout", ("rabbitmq", "documents"), timeouts.judge_consumer_timeout),
    Check("results", "place", ("address",), _where_results_are),
    *(Check("results", name, ("results",), judge) for name, judge in _REDIS),
    Check("workers", "attendance", ("workers", "rabbitmq", "documents"), judge_attendance),
    Check("workers", "answers", ("workers",), worker_checks.judge_answers),
    Check("workers", "versions", ("workers",), _worker_versions),
    Check("workers", "results", ("workers",), _same_results),
    Check("workers", "visibility timeout", ("address", "rabbitmq", "workers", "documents"), _visibility),
    Check("workers", "acknowledging", ("workers",), worker_checks.judge_acknowledging),
    Check("workers", "prefetching", ("workers",), worker_checks.judge_prefetching),
    Check("workers", "serializers", ("workers",), worker_checks.judge_serializers),
    Check("workers", "pool", ("workers",), worker_checks.judge_pool),
    Check("workers", "revoked tasks", ("workers",), worker_checks.judge_state_db),
    Check("workers", "clock", ("workers",), worker_checks.judge_worker_clocks),
)
