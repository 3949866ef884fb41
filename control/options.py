"""What the environment says about the installation."""

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from celery_bridge.urls import masked_setting
from control.home import InstallationError

# Names for the same protocol, as kombu knows it.
_SAME_PROTOCOL = {"valkey": "redis", "valkeys": "rediss", "unix": "redis+socket", "socket": "redis+socket"}
_REDIS = ("redis", "rediss", "redis+socket", *_SAME_PROTOCOL)
_EXAMPLES = {
    "OPSCONDUCTOR_BROKER_URL": "redis://host:6379/0 or amqp://user:password@host//",
    "OPSCONDUCTOR_RESULT_BACKEND": "redis://host:6379/0",
    "PREFECT_API_URL": "https://host/api",
}
_QUEUE = re.compile(r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})(=(?P<at_once>[1-9][0-9]{0,2}))?")
RUNS_AT_ONCE = 4
_BROKERS = (*_REDIS, "amqp", "amqps", "pyamqp")


class BadSetting(InstallationError):
    """An environment variable holds something that can't be used."""

    def __init__(self, name: str, value: str, cure: str) -> None:
        self.name = name
        super().__init__(f"{name} is {masked_setting(value)!r}: {cure}.")


class Options(BaseModel):
    """What the user brings along; whatever is None is run by us."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int | None = None
    """Where our own Prefect server is to listen."""
    broker_url: str | None = Field(default=None, repr=False)
    result_backend: str | None = Field(default=None, repr=False)
    prefect_api_url: str | None = None
    prefect_ui_url: str | None = None
    queues: dict[str, int] = Field(default_factory=dict)
    """Queues that get a worker of their own, each with how many runs it works on at once."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Options":
        """Read the variables; empty means not set. Raises BadSetting."""
        given = os.environ if environment is None else environment
        return cls(
            port=_port(_text(given, "OPSCONDUCTOR_PORT")),
            broker_url=_url(given, "OPSCONDUCTOR_BROKER_URL", _BROKERS),
            result_backend=_url(given, "OPSCONDUCTOR_RESULT_BACKEND", _REDIS),
            prefect_api_url=_url(given, "PREFECT_API_URL", ("http", "https")),
            prefect_ui_url=_text(given, "PREFECT_UI_URL"),
            queues=_queues(_text(given, "OPSCONDUCTOR_QUEUES") or ""),
        )

    @property
    def results_url(self) -> str | None:
        """Where results are kept: a Redis that is the user's broker keeps them too; None: ours does."""
        broker = self.broker_url or ""
        # Several brokers to fall back on don't hold the same results.
        broker_keeps_them = _scheme(broker) in _REDIS and ";" not in broker
        return self.result_backend or (broker if broker_keeps_them else None)


def _text(given: Mapping[str, str], name: str) -> str | None:
    return given.get(name, "").strip() or None


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 65535:
        raise BadSetting("OPSCONDUCTOR_PORT", text, "set it to a number from 1 to 65535, or leave it out")
    return int(text)


def _queues(text: str) -> dict[str, int]:
    queues: dict[str, int] = {}
    for one in text.replace(",", " ").split():
        found = _QUEUE.fullmatch(one)
        if found is None or found["name"] in queues:
            cure = "name each queue once, with how many runs it works on at once: linux=2 gpu=1"
            raise BadSetting("OPSCONDUCTOR_QUEUES", text, cure)
        queues[found["name"]] = int(found["at_once"] or RUNS_AT_ONCE)
    return queues


def _url(given: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    text = _text(given, name)
    if text is None:
        return None
    if not all(_scheme(one) in schemes and _is_sound(one) for one in text.split(";")):
        raise BadSetting(name, text, f"set it to a URL such as {_EXAMPLES[name]}, or leave it out")
    return ";".join(_normalized(one.strip()) for one in text.split(";"))


def _is_sound(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _scheme(url: str) -> str:
    return url.partition("://")[0].strip().lower() if "://" in url else ""


def _normalized(url: str) -> str:
    scheme = _scheme(url)
    return _SAME_PROTOCOL.get(scheme, scheme) + url[len(scheme) :]
