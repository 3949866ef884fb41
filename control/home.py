"""The folder that holds one installation, and the record of what runs in it."""

import errno
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from celery_bridge.urls import masked
from control.locks import is_held, wait_and_take

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]
PartState = Literal["waiting", "starting", "running", "restarting", "stopped"]


class InstallationError(Exception):
    """The embedded installation can't do what was asked. Every message names the cause and the cure."""


class HomeError(InstallationError):
    """The installation's folder can't be created, read or written."""


class ServiceRecord(BaseModel):
    """One service as last seen. `birth` tells the process from a later one with the same pid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: PartState = "waiting"
    pid: int | None = None
    birth: str | None = None
    port: int | None = None
    url: str | None = None
    started_at: datetime | None = None
    restarts: int = 0
    log: Path


class Failure(BaseModel):
    """Why a start was given up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str
    reason: str


class Installation(BaseModel):
    """What runs and where to reach it. Its text form masks passwords; the fields hold the real URLs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prefect_api_url: str
    prefect_ui_url: str
    prefect_embedded: bool
    broker_url: str
    result_backend: str
    broker_embedded: bool
    services: tuple[ServiceRecord, ...] = ()
    phase: Phase = "starting"
    failure: Failure | None = None

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        for name, value in super().__repr_args__():
            yield name, masked(value) if isinstance(value, str) and name != "phase" else value

    def environment(self) -> dict[str, str]:
        """The variables with which any client finds this installation."""
        return {
            "PREFECT_API_URL": self.prefect_api_url,
            "OPSCONDUCTOR_BROKER_URL": self.broker_url,
            "OPSCONDUCTOR_RESULT_BACKEND": self.result_backend,
        }


@dataclass(frozen=True)
class Home:
    """The folder of one installation, and where things lie in it."""

    path: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Home":
        """The folder named by OPSCONDUCTOR_HOME, else `~/.opsconductor`."""
        named = (os.environ if environment is None else environment).get("OPSCONDUCTOR_HOME", "").strip()
        try:
            return cls(Path(named or "~/.opsconductor").expanduser().absolute())
        except RuntimeError:
            raise HomeError(
                f"The home folder in {named or '~/.opsconductor'!r} is not known: "
                "set OPSCONDUCTOR_HOME to an absolute path."
            ) from None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def broker(self) -> Path:
        return self.path / "broker"

    @property
    def prefect(self) -> Path:
        return self.path / "prefect"

    @property
    def worker(self) -> Path:
        return self.path / "worker"

    @property
    def registry(self) -> Path:
        return self.path / "registry"

    @property
    def journals(self) -> Path:
        """What the runs in Prefect did, so that they can go on after a death."""
        return self.path / "journals"

    @property
    def ready(self) -> Path:
        """Holds a file per service that says so itself when it is ready."""
        return self.path / "ready"

    @property
    def work(self) -> Path:
        """The services' working directory."""
        return self.path / "work"

    @property
    def state_file(self) -> Path:
        return self.path / "state.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the supervisor for as long as it lives; holds its pid and birth."""
        return self.path / "supervisor.lock"

    @property
    def turn_file(self) -> Path:
        """Locked while one process starts or stops the installation."""
        return self.path / "turn.lock"

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self) -> "Home":
        """Make the folder and those below it (mode 0700) and prove that they can be written.

        Raises HomeError when they can't.
        """
        below = (self.logs, self.broker, self.prefect, self.worker, self.registry, self.ready, self.work)
        with self._errors_named():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in below:
                folder.mkdir(mode=0o700, exist_ok=True)
        # A full disk may still have room for names: more than a block shows it.
        self.write(self.path / ".writable", "This folder can be written.\n" * 200)
        return self

    def write(self, file: Path, text: str) -> None:
        """Replace `file` in one step with `text`, readable by its owner only. Raises HomeError."""
        with self._errors_named():
            write_atomically(file, text)

    def save(self, installation: Installation) -> None:
        """Record the installation. Raises HomeError when the disk is full or read-only."""
        self.write(self.state_file, installation.model_dump_json(indent=2) + "\n")

    def saved(self) -> Installation | None:
        """The last record, whether or not it still runs; None where there is none that can be read."""
        try:
            return Installation.model_validate_json(self.state_file.read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None
        except OSError as error:
            raise home_error(self.path, error) from error

    def supervised(self) -> bool:
        """Whether a supervisor is alive: it holds its lock, which no dead process can."""
        with self._errors_named():
            return is_held(self.lock_file)

    def installation(self) -> Installation | None:
        """The running installation; None when it doesn't run or isn't ready yet."""
        if not self.supervised():
            return None
        saved = self.saved()
        return saved if saved is not None and saved.phase == "ready" else None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until nobody else starts or stops this installation, and keep others waiting meanwhile."""
        with self._errors_named():
            descriptor = wait_and_take(self.turn_file)
        try:
            yield
        finally:
            os.close(descriptor)

    def secret(self, file: Path) -> str:
        """The random password kept in `file`, made (mode 0600) the first time."""
        with self._errors_named():
            if not file.exists():
                write_atomically(file, secrets.token_urlsafe(32))
            return file.read_text().strip()

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise home_error(self.path, error) from error


def home_error(path: Path, error: OSError) -> HomeError:
    """What went wrong with the folder, in words, with the cure."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HomeError(
            f"No space left in {path}: free some space or set OPSCONDUCTOR_HOME to another folder."
        )
    reason = error.strerror or str(error)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return HomeError(
            f"{path} can't be written ({reason}): make it writable or set OPSCONDUCTOR_HOME to another one."
        )
    return HomeError(
        f"{path} can't be used ({reason}): set OPSCONDUCTOR_HOME to a folder that can be created and written."
    )


def write_atomically(file: Path, text: str) -> None:
    """Write beside `file`, then rename: a reader sees the old text or the new one, never a part."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
