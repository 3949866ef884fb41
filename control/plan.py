"""What the supervisor is asked to keep running: plain data that travels to its process as JSON."""

import signal
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from celery_bridge.urls import masked
from control.health import Health
from control.home import Installation, ServiceRecord


class Service(BaseModel):
    """One process to keep running."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = Field(repr=False)
    health: Health
    after: tuple[str, ...] = ()
    """Services that must be healthy before this one starts."""
    port: int | None = None
    url: str | None = Field(default=None, repr=False)
    start_timeout: float = 60.0
    """Seconds until it must be healthy."""
    stop_signal: int = signal.SIGTERM
    grace: float = 10.0
    """Seconds it has to end by itself."""

    def record(self, log: Path) -> ServiceRecord:
        """The record it starts with; records are for showing, so passwords are masked."""
        url = masked(self.url) if self.url else None
        return ServiceRecord(name=self.name, port=self.port, url=url, log=log)


class Backoff(BaseModel):
    """How long to wait before a crashed service is started again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: float = 1.0
    longest: float = 30.0
    calm: float = 60.0
    """A service healthy for so many seconds starts with a clean slate."""

    def delay(self, crashes: int) -> float:
        """Seconds to wait after so many crashes in a row (1 for the first): doubling, up to `longest`."""
        return min(self.longest, self.first * 2.0 ** min(crashes - 1, 64))


class Plan(BaseModel):
    """Everything the supervisor needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    installation: Installation
    services: tuple[Service, ...]
    backoff: Backoff = Backoff()

    def port_of(self, service: str) -> int | None:
        """The port that a service of that name listens on, if any."""
        return next((one.port for one in self.services if one.name == service), None)
