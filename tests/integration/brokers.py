"""Real brokers and a real worker for tests, on free ports in temporary folders, ended by their process."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from kombu.connection import Connection
from kombu.exceptions import KombuError
from redis import Redis
from redis.exceptions import RedisError

from celery_bridge.embedded import server_binary

ROOT = Path(__file__).parents[2]
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PATIENCE = 180.0
OURS = "celery_bridge.worker"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def until(condition: Callable[[], bool], what: str) -> None:
    """Look again until it is so."""
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end, f"{what} took more than {PATIENCE:g} s"
        sleep(0.02)


class RedisServer:
    """A Redis or Valkey with an append-only file, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command: list[str | Path] = [
            server_binary(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ]
        durable = ["--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "always"]
        self._process = subprocess.Popen([*command, *durable], stdout=subprocess.DEVNULL)
        until(self.answers, "the Redis server")

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def answers(self) -> bool:
        """Whether it serves."""
        with Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A running Redis or Valkey."""
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class RabbitServer:
    """A RabbitMQ with a node, ports and files of its own, which can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"
        (folder / "plugins").write_text("[].\n")
        self._environment = os.environ | {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_NODENAME": f"opsconductor{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        with (self._folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [RABBITMQ], env=self._environment, stdout=output, stderr=output, start_new_session=True
            )
        until(lambda: _takes_connections(self.url), "RabbitMQ")

    def stop(self) -> None:
        """End it in order. (After a crash, a quorum queue of a single node may have no leader.)"""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            until(lambda: _epmd_ended(self._environment), "the end of epmd")


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[RabbitServer]:
    """A running RabbitMQ."""
    server = RabbitServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _takes_connections(url: str) -> bool:
    try:
        with Connection(url, connect_timeout=1) as connection:  # type: ignore[no-untyped-call]
            connection.ensure_connection(max_retries=1, timeout=2)
    except (OSError, KombuError):
        return False
    return True


def _epmd_ended(environment: dict[str, str]) -> bool:
    """End the port mapper that RabbitMQ leaves running; this one serves nobody else."""
    epmd = shutil.which("epmd") or str(next(Path("/usr/lib/erlang").glob("erts-*/bin/epmd")))
    said = subprocess.run([epmd, "-kill"], env=environment, capture_output=True, text=True, check=False)
    return "Killed" in said.stdout or "Cannot connect" in said.stdout + said.stderr


class Worker:
    """A real Celery worker process."""

    def __init__(
        self, folder: Path, broker_url: str, result_backend: str, *options: str, app: str = OURS
    ) -> None:
        self.log = folder / "worker.log"
        self._ready = folder / "ready"
        command = [sys.executable, "-m", "celery", "-A", app, "worker"]
        self._command = [*command, "--loglevel=INFO", *(options or ("--concurrency=4",))]
        self._environment = os.environ | {
            "OPSCONDUCTOR_BROKER_URL": broker_url,
            "OPSCONDUCTOR_RESULT_BACKEND": result_backend,
            "OPSCONDUCTOR_READY_FILE": str(self._ready),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder))),
        }
        self._announces = app == OURS
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes work."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, cwd=self.log.parent, stdout=log, stderr=log
            )
        until(self.is_ready, "the Celery worker")

    def is_ready(self) -> bool:
        """Whether it takes work."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return self._ready.exists() if self._announces else " ready." in self.log.read_text()

    def end(self) -> None:
        """End it, its pool with it."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End it at once, as a crash would; its pool notices by itself."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self._ready.unlink(missing_ok=True)

    def kill_all(self) -> None:
        """End it and its pool at once, as the end of the machine would."""
        pool = self.pool()
        self.kill()
        for pid in pool:
            os.kill(pid, signal.SIGKILL)

    def pool(self) -> list[int]:
        """The processes that do the work."""
        assert self.process is not None
        return children(self.process.pid)


def children(pid: int) -> list[int]:
    """The processes that a process has started; none where it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@contextmanager
def worker(
    folder: Path, broker_url: str, result_backend: str, *options: str, app: str = OURS
) -> Iterator[Worker]:
    """A running worker."""
    started = Worker(folder, broker_url, result_backend, *options, app=app)
    try:
        started.start()
        yield started
    finally:
        started.end()
