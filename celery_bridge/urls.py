"""Addresses of brokers and result backends: how Celery, redis-py and people want them."""

import re
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from codegen.addresses import masked as masked

_SAME_PROTOCOL = {"valkey": "redis", "valkeys": "rediss", "unix": "redis+socket", "socket": "redis+socket"}
_REDIS = ("redis", "rediss", "redis+socket")
_AMQP = ("amqp", "amqps", "pyamqp")
_BEFORE_AT = re.compile(r"^.*@", re.DOTALL)
_LOGIN_ALONE = re.compile(r"(?i)((?:^|;)\s*)(?![a-z][a-z0-9+.-]*://)[^;]*@")


def masked_setting(text: str) -> str:
    """What somebody gave as an address, to be shown: where it is none, nothing before an `@` is."""
    if "://" not in text:
        return masked(_BEFORE_AT.sub("***@", text))
    return _LOGIN_ALONE.sub(r"\1***@", masked(text))


def normalized(url: str) -> str:
    """The address as Celery reads it: `valkey://` is `redis://`, and TLS checks the certificate by default.

    A broker's address may be several, separated by `;`, to fall back on.
    """
    return ";".join(_normalized(one.strip()) for one in url.split(";"))


def speaks_redis(url: str) -> bool:
    """Whether the address is one server that speaks the Redis protocol."""
    return ";" not in url and scheme(url) in _REDIS


def is_broker(url: str) -> bool:
    """Whether each of the addresses is a Redis or a RabbitMQ."""
    return all(scheme(one) in _REDIS + _AMQP for one in url.split(";"))


def is_rabbitmq(url: str) -> bool:
    """Whether messages go through RabbitMQ."""
    return scheme(url) in _AMQP


def scheme(url: str) -> str:
    """What stands before `://`, in lower case; empty where there is none."""
    return url.partition("://")[0].lower() if "://" in url else ""


def for_client(url: str) -> str:
    """The address as redis-py reads it: `redis+socket:///path?virtual_host=2` is `unix:///path?db=2`."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if "ssl_cert_reqs" in query:
        query["ssl_cert_reqs"] = query["ssl_cert_reqs"].lower().removeprefix("cert_")
    if parts.scheme != "redis+socket":
        return parts._replace(query=urlencode(query)).geturl()
    return _unix(parts.netloc, parts.path, query)


def _unix(netloc: str, path: str, query: dict[str, str]) -> str:
    if "virtual_host" in query:
        query["db"] = query.pop("virtual_host").strip("/")
    user, _, rest = netloc.rpartition("@")
    login = f"{user}@" if user else ""
    return f"unix://{login}{quote(unquote('/' + rest + path if rest else path))}" + (
        f"?{urlencode(query)}" if query else ""
    )


def _normalized(url: str) -> str:
    kind = scheme(url)
    url = _SAME_PROTOCOL.get(kind, kind) + url[len(kind) :] if kind else url
    if scheme(url) == "redis+socket":
        return re.sub(r"([?&])db=", r"\1virtual_host=", url)
    if scheme(url) == "rediss" and "ssl_cert_reqs=" not in url:
        url += ("&" if "?" in url else "?") + "ssl_cert_reqs=required"
    return url
