"""What is to be examined: where the parts of the installation are, by the same rules as runs find them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from celery_bridge.errors import SettingsError
from celery_bridge.settings import QUEUE, BridgeSettings
from celery_bridge.urls import normalized
from control.home import Home, Installation
from control.options import Options
from doctor.findings import Finding, NotSeen, fault, skipped
from doctor.prefect_api import PrefectApi, Refused

# Shorter ones would be hidden in words that they happen to be in.
SHORTEST_SECRET = 4
BLOCK = "the block celery-broker/default"
_BLOCK = "/block_types/slug/celery-broker/block_documents/name/default?include_secrets=true"


@dataclass(frozen=True, slots=True)
class Site:
    """The installation under examination; `running` is the built-in one where it runs."""

    home: Home
    environment: Mapping[str, str]
    options: Options
    running: Installation | None
    folders: tuple[Path, ...]

    @property
    def prefect_api_url(self) -> str | None:
        """The server that runs go to; None when there is none."""
        own = self.options.prefect_api_url
        return own or (self.running.prefect_api_url if self.running is not None else None)

    @property
    def own_prefect(self) -> bool:
        """Whether it is the user's own, not the built-in one."""
        if self.options.prefect_api_url is not None:
            return True
        return self.running is not None and not self.running.prefect_embedded

    @property
    def needs_built_in(self) -> bool:
        """Whether anything of the installation is not the user's own."""
        given = self.options
        return given.prefect_api_url is None or given.broker_url is None or given.results_url is None

    def prefect(self) -> PrefectApi:
        """A client for the server. NotSeen when there is none."""
        if self.prefect_api_url is None:
            raise NotSeen(nothing_runs("Prefect", self.home))
        if self.own_prefect:
            return PrefectApi.of_settings(self.prefect_api_url)
        return PrefectApi.built_in(self.prefect_api_url, self.environment)

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be shown, wherever it turns up."""
        given = self.options
        urls = [given.broker_url, given.result_backend, given.prefect_api_url]
        if self.running is not None:
            urls += [self.running.broker_url, self.running.result_backend]
        named = ("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING")
        found = {self.environment.get(name, "") for name in named}
        found |= {password for url in filter(None, urls) for password in passwords(url)}
        return frozenset(one for one in found if len(one) >= SHORTEST_SECRET)


@dataclass(frozen=True, slots=True)
class Bridge:
    """Where Celery is, and who says so. `more_queues`: those with a built-in worker of their own."""

    settings: BridgeSettings
    source: str
    more_queues: tuple[str, ...] = ()

    @property
    def secrets(self) -> frozenset[str]:
        """The passwords in its addresses."""
        return frozenset(passwords(self.settings.broker_url) | passwords(self.settings.result_backend))

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that are known without asking documents, the usual one first."""
        return tuple(dict.fromkeys((self.settings.queue, *self.more_queues)))


def nothing_runs(what: str, home: Home) -> Finding:
    """There is nothing to look at, and the installation's own finding says so already."""
    return skipped(f"{what}: none is there", f"nothing runs in {home.path}, and none of your own is named")


def find_bridge(site: Site) -> Bridge:
    """The broker as runs find it: the environment, a block in Prefect, what is built in.

    NotSeen when there is none, or one that can't be used.
    """
    try:
        return _found(site)
    except SettingsError as error:
        what, _, cure = str(error).partition(". ")
        cause = "workflows can't be sent to Celery workers"
        raise NotSeen(fault(what, cause, cure or "correct OPSCONDUCTOR_BROKER_URL")) from None


def _found(site: Site) -> Bridge:
    environment, more = site.environment, tuple(sorted(site.options.queues))
    if site.options.broker_url is not None:
        if site.options.results_url is None and site.running is not None:
            environment = {**environment, "OPSCONDUCTOR_RESULT_BACKEND": site.running.result_backend}
        return Bridge(BridgeSettings.from_environment(environment), "OPSCONDUCTOR_BROKER_URL", more)
    if (block := _block(site)) is not None:
        return Bridge(block, BLOCK, more)
    if site.running is None:
        raise NotSeen(nothing_runs("Celery", site.home))
    built_in = BridgeSettings.from_environment({**environment, **site.running.environment()})
    return Bridge(built_in, "opsconductor up", more)


def passwords(url: str) -> set[str]:
    """The passwords in an address, as written and as meant."""
    found = {urlsplit(one).password or "" for one in url.split(";")}
    return {text for one in found for text in (one, unquote(one)) if len(text) >= SHORTEST_SECRET}


def _block(site: Site) -> BridgeSettings | None:
    """What the block in Prefect says; None where there is none, or no server that could have one."""
    try:
        with site.prefect() as api:
            data = api.get(_BLOCK).get("data", {})
    except (NotSeen, Refused):
        return None
    return BridgeSettings.of(data["url"], data.get("result_backend"), data.get("queue") or QUEUE)


def same_server(one: str, other: str) -> bool:
    """Whether two addresses name the same server and database, as far as addresses can tell."""
    return _bare(one) == _bare(other)


def _bare(url: str) -> tuple[str, str, int, str, str]:
    """Without what is not about the place. On a socket the path is that, and the database a parameter."""
    parts = urlsplit(normalized(url))
    named = dict(parse_qsl(parts.query))
    database = named.get("virtual_host") or named.get("db")
    if parts.scheme == "redis+socket":
        return (
            parts.scheme,
            "",
            0,
            f"{parts.netloc.rpartition('@')[2]}{parts.path}",
            (database or "0").strip("/"),
        )
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    return parts.scheme, host, parts.port or 6379, "", (database or parts.path).strip("/") or "0"
