"""How a service is known to be ready: plain data, so that it can be handed to the supervisor's process."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from pydantic import BaseModel, ConfigDict, Field

_PATIENCE = 2.0


class ReadyFile(BaseModel):
    """The service writes this file itself; it is removed before each start."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["file"] = "file"
    path: Path

    def prepare(self) -> None:
        self.path.unlink(missing_ok=True)

    def passes(self) -> bool:
        return self.path.exists()


class HttpAnswers(BaseModel):
    """A GET is answered with 200. Local: no proxy is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Literal["http"] = "http"
    url: str

    def prepare(self) -> None:
        return

    def passes(self) -> bool:
        try:
            with build_opener(ProxyHandler({})).open(self.url, timeout=_PATIENCE) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


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
        # Retries would block the supervisor, which asks again anyway.
        client = Redis.from_url(self.url, retry=Retry(NoBackoff(), 0), **waits)
        try:
            return bool(client.ping())
        except RedisError:
            return False
        finally:
            client.close()


Health = Annotated[ReadyFile | HttpAnswers | RedisAnswers, Field(discriminator="kind")]
