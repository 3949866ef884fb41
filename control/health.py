"""How a service is known to be ready: plain data, so that it can be handed to the supervisor's process."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

_PATIENCE = 2.0
_LONG_PATIENCE = 5.0
"""Seconds, with a server that was ready and may be busy."""


class ReadyFile(BaseModel):
    """The service writes this file itself; it is removed before each start."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["file"] = "file"
    path: Path

    def prepare(self) -> None:
        self.path.unlink(missing_ok=True)

    def passes(self) -> bool:
        return self.path.exists()

    def still_answers(self) -> bool:
        """Nobody can be asked; a worker that drains has withdrawn its file, and works."""
        return True


class PrefectAnswers(BaseModel):
    """A Prefect server answers whose state is in this folder: another one may have taken the port.

    Local: no proxy is asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["prefect"] = "prefect"
    api_url: str
    home: Path
    auth: str | None = Field(default=None, repr=False)
    """User and password, where the server asks for them."""

    def prepare(self) -> None:
        return

    def passes(self) -> bool:
        return self._answers(_PATIENCE)

    def still_answers(self) -> bool:
        return self._answers(_LONG_PATIENCE)

    def _answers(self, patience: float) -> bool:
        import httpx

        user, _, password = (self.auth or "").partition(":")
        credentials = httpx.BasicAuth(user, password) if self.auth else None
        try:
            with httpx.Client(trust_env=False, timeout=patience, auth=credentials) as client:
                answer = client.get(f"{self.api_url}/admin/settings").raise_for_status()
                settings = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            return False
        home = settings.get("home") if isinstance(settings, dict) else None
        return isinstance(home, str) and Path(home).resolve() == self.home.resolve()


class RedisAnswers(BaseModel):
    """The server answers PING, which it does only once its data is loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["redis"] = "redis"
    url: str = Field(repr=False)

    def prepare(self) -> None:
        return

    def passes(self) -> bool:
        from redis import Redis, RedisError
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        waits = {"socket_timeout": _PATIENCE, "socket_connect_timeout": _PATIENCE}
        try:
            # Retries would block the supervisor, which asks again anyway.
            with Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), **waits) as client:
                return bool(client.ping())
        except (RedisError, ValueError):
            return False

    def still_answers(self) -> bool:
        """Not asked: one that waits for its disk for minutes is not helped by being killed."""
        return True


Health = Annotated[ReadyFile | PrefectAnswers | RedisAnswers, Field(discriminator="kind")]
