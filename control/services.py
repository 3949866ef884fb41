"""The real installation: which services run, with which commands and settings."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from celery_bridge.settings import QUEUE
from control import ports
from control.health import PrefectAnswers, ReadyFile, RedisAnswers
from control.home import Home, Installation
from control.options import RUNS_AT_ONCE, Options
from control.plan import Plan, Service
from control.reach import require_broker, require_prefect

_ROOT = Path(__file__).resolve().parent.parent

# One server, one machine. Whatever the user's environment says about these wins.
_SERVER_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Measured: 115-140 task runs recorded a second instead of 37-46.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    # Runs older than 90 days go.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    # In memory, the default, slots that were held when the server was restarted would never be free again.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # A document of 1 MiB, the largest there is, as JSON and with its parameters; the default is half of one.
    "PREFECT_SERVER_API_MAX_PARAMETER_SIZE": "4194304",
}
CLIENT_SETTINGS = {
    # Outlasts a restart of the server.
    "PREFECT_CLIENT_MAX_RETRIES": "10",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    # What a step writes is in the UI within a second; the default is to send lines every 2 s.
    "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.5",
    # The services don't run in a folder whose pyproject.toml could say so.
    "PREFECT_TASKS_DEFAULT_NO_CACHE": "true",
}
# Its runs always come back to this machine, where their journals are.
SUSPEND_AFTER = "30"
# Our own server asks for no such token; each client would ask once for one.
OWN_SERVER_SETTINGS = {"PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false"}


def plan(home: Home, options: Options) -> Plan:
    """The services to run and where they will be reached.

    Raises PortTaken, and Unreachable when a server of the user's own doesn't answer.
    """
    installation = _installation(home, options)
    environment = _client_environment(home, installation)
    own_broker = (_broker(home),) if installation.broker_embedded else ()
    own_prefect = (_prefect(home, installation),) if installation.prefect_embedded else ()
    router = _router(home, _routers_environment(environment, options))
    others = (*_workers(home, environment, options), router)
    names = {service.name for service in (*own_broker, *own_prefect)}
    return Plan(
        installation=installation,
        services=(*own_broker, *own_prefect, *(_without_absent(service, names) for service in others)),
    )


def python_environment() -> dict[str, str]:
    """Our environment, in which a Python child finds these packages and reaches loopback without a proxy."""
    environment = dict(os.environ)
    paths = [str(_ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    # Installed packages are found anyway.
    if _ROOT.name != "site-packages":
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    direct = [
        *filter(None, [environment.get("NO_PROXY") or environment.get("no_proxy")]),
        "127.0.0.1",
        "localhost",
    ]
    environment["NO_PROXY"] = environment["no_proxy"] = ",".join(direct)
    return environment | {"PYTHONUNBUFFERED": "1"}


def broker_url(home: Home) -> str:
    """Where our own broker is reached; the same across restarts as long as its port is free."""
    port = ports.kept(home, home.broker / "port")
    return f"redis://:{home.secret(home.broker / 'password')}@{ports.HOST}:{port}/0"


def _installation(home: Home, options: Options) -> Installation:
    _require_own_servers(options)
    broker, results = options.broker_url, options.results_url
    embedded = broker is None or results is None
    ours = broker_url(home) if embedded else ""
    api_url = options.prefect_api_url or f"http://{ports.HOST}:{_prefect_port(options)}/api"
    return Installation(
        prefect_api_url=api_url,
        prefect_ui_url=options.prefect_ui_url or api_url.rstrip("/").removesuffix("/api"),
        prefect_embedded=options.prefect_api_url is None,
        broker_url=broker or ours,
        result_backend=results or ours,
        broker_embedded=embedded,
    )


def _require_own_servers(options: Options) -> None:
    if options.broker_url is not None:
        require_broker(options.broker_url)
    if options.result_backend is not None:
        require_broker(options.result_backend, "OPSCONDUCTOR_RESULT_BACKEND")
    if options.prefect_api_url is not None:
        require_prefect(options.prefect_api_url)


def _prefect_port(options: Options) -> int:
    return ports.first_free() if options.port is None else ports.required(options.port)


def _client_environment(home: Home, installation: Installation) -> dict[str, str]:
    environment = CLIENT_SETTINGS | python_environment() | installation.environment()
    environment |= {"OPSCONDUCTOR_HOME": str(home.path), "OPSCONDUCTOR_WORKFLOWS": _document_folders()}
    return _away_from_profiles(environment, home) if installation.prefect_embedded else environment


def _routers_environment(environment: dict[str, str], options: Options) -> dict[str, str]:
    """Our own broker is found by our home: in the environment it would win over a block of the user's."""
    ours = () if options.broker_url else ("OPSCONDUCTOR_BROKER_URL", "OPSCONDUCTOR_RESULT_BACKEND")
    kept = {name: value for name, value in environment.items() if name not in ours}
    return {"OPSCONDUCTOR_SUSPEND_AFTER": SUSPEND_AFTER} | kept


def _document_folders() -> str:
    """Where documents are found by name, seen from where we were started: services run in another folder."""
    named = os.environ.get("OPSCONDUCTOR_WORKFLOWS") or os.pathsep.join(("workflows", "examples"))
    return os.pathsep.join(str(Path(one).expanduser().absolute()) for one in named.split(os.pathsep) if one)


def _away_from_profiles(environment: dict[str, str], home: Home) -> dict[str, str]:
    """A profile of the user's may name another server or its key."""
    kept = {
        name: value
        for name, value in environment.items()
        if name not in ("PREFECT_PROFILE", "PREFECT_API_KEY")
    }
    return kept | OWN_SERVER_SETTINGS | {"PREFECT_HOME": str(home.prefect)}


def _without_absent(service: Service, present: set[str]) -> Service:
    return service.model_copy(update={"after": tuple(name for name in service.after if name in present)})


def _python(*arguments: str) -> tuple[str, ...]:
    # -P: the working directory, where workflows leave files, must not be imported from.
    return (sys.executable, "-P", *arguments)


def _port_of(url: str) -> int:
    return urlsplit(url).port or 0


def _broker(home: Home) -> Service:
    url = broker_url(home)
    port = _port_of(url)
    return Service(
        name="broker",
        command=_python("-m", "celery_bridge.embedded", "--dir", str(home.broker), "--port", str(port)),
        environment=python_environment(),
        health=RedisAnswers(url=url),
        port=port,
        url=url,
    )


def _prefect(home: Home, installation: Installation) -> Service:
    api_url = installation.prefect_api_url
    port = _port_of(api_url)
    settings = {
        "PREFECT_SERVER_API_HOST": ports.HOST,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_API_URL": api_url,
    }
    environment = _SERVER_SETTINGS | _away_from_profiles(python_environment(), home) | settings
    return Service(
        name="prefect",
        command=_python("-m", "prefect", "server", "start", "--host", ports.HOST, "--port", str(port)),
        environment=environment,
        health=PrefectAnswers(
            api_url=api_url, home=home.prefect, auth=environment.get("PREFECT_SERVER_API_AUTH_STRING") or None
        ),
        port=port,
        url=installation.prefect_ui_url,
        start_timeout=120,
    )


def _workers(home: Home, environment: dict[str, str], options: Options) -> Iterator[Service]:
    """One for the queue that the router sends to, and one for each of the others."""
    usual = environment.get("OPSCONDUCTOR_QUEUE", "").strip() or QUEUE
    for queue, at_once in ({usual: RUNS_AT_ONCE} | options.queues).items():
        name = "worker" if queue == usual else f"worker-{queue}"
        yield _worker(home, name, queue, at_once, environment)


def _worker(home: Home, name: str, queue: str, at_once: int, environment: dict[str, str]) -> Service:
    ready = home.ready / name
    node = name.replace("worker", "opsconductor", 1)
    pool = ("--pool=prefork", f"--concurrency={at_once}", f"--hostname={node}@%h", "--loglevel=INFO")
    # Greeting other workers takes a second of every start.
    alone = ("--without-mingle", "--without-gossip", f"--statedb={home.worker / name}.revoked")
    return Service(
        name=name,
        command=_python("-m", "celery", "-A", "celery_bridge.worker", "worker", "-Q", queue, *pool, *alone),
        environment=environment | {"OPSCONDUCTOR_READY_FILE": str(ready)},
        health=ReadyFile(path=ready),
        after=("broker",),
        # On SIGTERM it would wait for its tasks without end; on SIGQUIT it does for its soft shutdown's 10 s.
        stop_signal=signal.SIGQUIT,
        grace=20,
    )


def _router(home: Home, environment: dict[str, str]) -> Service:
    ready = home.ready / "router"
    return Service(
        name="router",
        command=_python("-m", "flows.serve"),
        environment=environment | {"OPSCONDUCTOR_READY_FILE": str(ready)},
        health=ReadyFile(path=ready),
        after=("broker", "prefect"),
        start_timeout=120,
        # It ends its runs one after the other, which may have always-steps to do.
        grace=40,
    )
