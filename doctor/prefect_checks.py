"""Judges what a Prefect server says."""

from collections.abc import Iterable, Iterator

from doctor.clocks import judge_clock
from doctor.findings import Finding, doubt, fault, fine, skipped
from doctor.prefect_server import Deployment, Pool, PrefectSeen, Watch, seconds_of
from doctor.versions import numbers

MANY_RUNS = 20_000
_VACUUM = "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"
_OWN_GUIDE = "docs/how-to/use-your-own-servers.md"
_DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL=postgresql+asyncpg://HOST/prefect"
_WORKERLESS = ("managed", "push")


def judge_version(seen: PrefectSeen, client: str, tested: str) -> Iterator[Finding]:
    """The server's version against the client's and the range we are made for (`>=3.8.8,<3.9`)."""
    server = seen.server_version
    if server is None:
        yield skipped("Prefect's server doesn't tell its version", "; ".join(seen.unanswered))
        return
    evidence = {"url": seen.url, "server": server, "client": client, "tested": tested}
    apart = f"the Prefect server is {server}, the client here is {client}"
    same = f"install prefect=={server} here, or bring the server to {client}"
    if numbers(server)[:1] != numbers(client)[:1]:
        yield fault(
            apart, "clients and servers of different major versions don't understand each other", same
        )
    elif numbers(server)[:2] < numbers(client)[:2]:
        yield doubt(apart, "an older server may not know what the client asks for", same, **evidence)
    elif not within(server, tested):
        cause = f"OpsConductor was tested with {tested}"
        yield doubt(f"the Prefect server is {server}", cause, f"use a server in {tested}", **evidence)
    else:
        yield fine(f"Prefect {server} answers at {seen.url}", **evidence)


def within(version: str, specifier: str) -> bool:
    """Whether a version is in a range such as `>=3.8.8,<3.9`."""
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(specifier).contains(version, prereleases=True)


def judge_database(seen: PrefectSeen) -> Iterator[Finding]:
    """SQLite serves one machine and a day's work; more wants PostgreSQL."""
    driver = seen.setting("server", "database", "driver")
    sqlite = "sqlite" in driver if driver else (not seen.own or seen.database_file) or None
    evidence = {"driver": driver, "sqlite": sqlite, "flow_runs": seen.flow_runs}
    cure = f"give the server a PostgreSQL: {_DATABASE}"
    if sqlite is None:
        yield skipped(
            "the database behind Prefect's server is not known", "it keeps its address secret", **evidence
        )
    elif not sqlite:
        yield fine("Prefect's server has a PostgreSQL", **evidence)
    elif (seen.flow_runs or 0) > MANY_RUNS:
        what = f"Prefect's server keeps {seen.flow_runs} flow runs in SQLite"
        yield doubt(
            what, "lists get slow, and runs at the same time meet a locked database", cure, **evidence
        )
    elif seen.own:
        cause = "several runs at the same time meet `database is locked`, and writers wait for each other"
        yield doubt("your Prefect server keeps its data in SQLite", cause, cure, **evidence)
    else:
        yield fine("SQLite, which the built-in server is made for", **evidence)


def judge_clean_up(seen: PrefectSeen) -> Iterator[Finding]:
    """Old runs are to be deleted some day."""
    if seen.settings is None:
        yield skipped("whether old runs are deleted is not known", "the server doesn't tell its settings")
        return
    told = seen.setting("server", "services", "db_vacuum", "enabled")
    kinds = {"events"} if told is False else {"events", "flow_runs"} if told is True else set(told or ())
    kept = seen.setting("server", "services", "db_vacuum", "retention_period")
    days = round(seconds_of(kept) / 86400, 1) if kept else None
    evidence = {"deletes": sorted(kinds), "flow_runs_after_days": days, "flow_runs": seen.flow_runs}
    if "flow_runs" in kinds:
        yield fine(
            f"runs are deleted {days:g} days after their end" if days else "old runs are deleted", **evidence
        )
    else:
        yield doubt(
            "the database only grows: flow runs are never deleted",
            f"{_VACUUM} is {','.join(sorted(kinds)) or 'empty'}; Prefect's default is events",
            f"start the server with {_VACUUM}=events,flow_runs",
            **evidence,
        )


def judge_leases(seen: PrefectSeen) -> Iterator[Finding]:
    """Slots of documents with `concurrency` must outlive a restart of the server."""
    storage = seen.setting("server", "concurrency", "lease_storage")
    if storage is None:
        yield skipped(
            "where concurrency leases are kept is not known", "the server doesn't tell its settings"
        )
    elif storage.endswith(".memory"):
        yield doubt(
            "concurrency leases are kept in memory",
            "slots held while the server is restarted stay taken, and documents with `concurrency` wait",
            f"set PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE as {_OWN_GUIDE} says",
            storage=storage,
        )
    else:
        yield fine("concurrency leases outlive a restart of the server", storage=storage)


def judge_heartbeats(seen: PrefectSeen) -> Iterator[Finding]:
    """Automations that call silent runs crashed must leave living ones alone."""
    if seen.watches is None:
        yield skipped("automations on heartbeats are not known", "the server doesn't tell its automations")
        return
    if not seen.watches:
        told = "no automation calls runs without a heartbeat crashed"
        yield fine(f"{told}: `opsconductor retry` and `cancel` end them", heartbeat=seen.heartbeat)
    for watch in seen.watches:
        yield from _watched(watch, seen.heartbeat)


def _watched(watch: Watch, heartbeat: float | None) -> Iterator[Finding]:
    evidence = {"within": watch.within, "heartbeat": heartbeat, "expects": list(watch.expects)}
    name = f"the automation {watch.name!r}"
    if heartbeat is None:
        cause = "it waits for heartbeats, and PREFECT_FLOWS_HEARTBEAT_FREQUENCY switches them off here"
        yield fault(f"{name} calls living runs crashed", cause, "set it to 30 where runs run", **evidence)
    elif watch.within < 3 * heartbeat:
        yield fault(
            f"{name} may call living runs crashed",
            f"it waits {watch.within:g} s for heartbeats that come every {heartbeat:g} s; one may get lost",
            f"let it wait {3 * heartbeat:g} s, or set PREFECT_FLOWS_HEARTBEAT_FREQUENCY=30 where runs run",
            **evidence,
        )
    elif not {"prefect.flow-run.AwaitingApproval", "prefect.flow-run.*"} & set(watch.expects):
        yield doubt(
            f"{name} calls runs that wait for approval crashed",
            "a run that gave its process back to wait for a person sends no heartbeat",
            "let it expect `prefect.flow-run.AwaitingApproval` as well",
            **evidence,
        )
    else:
        yield fine(f"{name} waits long enough", **evidence)


def judge_deployments(seen: PrefectSeen) -> Iterator[Finding]:
    """The router is there to be started, and somebody starts its runs."""
    if seen.deployments is None:
        yield skipped("the router's deployments are not known", "; ".join(seen.unanswered))
        return
    if not seen.deployments:
        yield doubt(
            "the router is not deployed on this server",
            "runs can be started by `opsconductor run` alone: not from Prefect's UI, by schedules or events",
            "`prefect deploy --all` in the project's folder, or `opsconductor up`, which serves it",
        )
    for deployment in seen.deployments:
        yield from _deployed(deployment, seen.pools)


def _deployed(deployment: Deployment, pools: Iterable[Pool]) -> Iterator[Finding]:
    evidence = {"ready": deployment.ready, "paused": deployment.paused, "pool": deployment.pool}
    if deployment.paused:
        cause = "its schedules are paused"
        yield doubt(f"{deployment.name} is paused", cause, "resume it in Prefect's UI", **evidence)
    elif deployment.pool is not None and deployment.pool in {pool.name for pool in pools}:
        yield fine(f"{deployment.name} is deployed to the pool {deployment.pool!r}", **evidence)
    elif not deployment.ready:
        yield fault(
            f"nobody starts the runs of {deployment.name}",
            "the process that serves it has not asked for work for a minute",
            "`opsconductor up` serves it; where you don't use it any more, delete the deployment",
            **evidence,
        )
    else:
        yield fine(f"{deployment.name} is served", **evidence)


def judge_pools(seen: PrefectSeen) -> Iterator[Finding]:
    """Pools of the router's deployments need a worker that is there."""
    for pool in seen.pools:
        evidence = {"type": pool.kind, "online": pool.online, "offline": pool.offline, "paused": pool.paused}
        if pool.paused:
            cause = "somebody paused it"
            yield doubt(
                f"the work pool {pool.name!r} is paused", cause, "resume it in Prefect's UI", **evidence
            )
        elif pool.online or any(word in pool.kind for word in _WORKERLESS):
            yield fine(f"the work pool {pool.name!r} has what runs its work", **evidence)
        else:
            yield fault(
                f"the work pool {pool.name!r} has no worker online: runs of its deployments stay Late",
                f"{pool.offline} were there once" if pool.offline else "none was ever there",
                f"`prefect worker start --pool {pool.name}` on a machine that has OpsConductor",
                **evidence,
            )


def judge_late(seen: PrefectSeen) -> Iterator[Finding]:
    """Runs of the router that should have begun."""
    if seen.late is None:
        yield skipped("late runs are not known", "; ".join(seen.unanswered))
    elif seen.late:
        runs = "1 run of the router is" if seen.late == 1 else f"{seen.late} runs of the router are"
        yield doubt(
            f"{runs} late",
            "nobody took them in time: no worker or router is there, or it has all that it may run at once",
            "mend what else is said here; `opsconductor status RUN` and `cancel RUN` for one of them",
            late=seen.late,
        )
    else:
        yield fine("no run is late", late=0)


def judge_prefect_clock(seen: PrefectSeen) -> Iterator[Finding]:
    """The server's clock against ours."""
    yield from judge_clock(seen.clock, "Prefect's server")
