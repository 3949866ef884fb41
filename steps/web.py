"""`http`: sends one HTTP request."""

import json as json_module
import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx

from codegen.leaves import Http
from steps.data import json_data, plain_text, word
from steps.errors import StepFailed
from steps.executor import executor
from steps.receipts import unconfirmed
from steps.scope import Scope
from steps.timing import limited
from steps.unlogged import unlogged

KEPT_BYTES = 1024 * 1024
# Without a timeout of the step: a server that says nothing at all must not hold a run for ever.
SILENCE = httpx.Timeout(300, connect=30)
UNANSWERED = "{} may have arrived, and what it began there may go on"
UNREADABLE = "(no address)"
_PASSWORD = re.compile(r"(?<=://)[^/?#\s@]*@")


@executor(Http)
async def http(
    scope: Scope,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    json_body: Any = None,
    body: str | None = None,
    expect_status: Sequence[int] = (),
    verify_tls: bool = True,
    follow_redirects: bool = True,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Send one request: `{status, headers, body, json}`; `json` is None unless the answer says it is JSON.

    The body is kept up to 1 MiB. A status other than expected (default: 200 to 399) is a `StepFailed`.
    """
    address, shown = plain_text(url), shown_url(scope.mask.text(plain_text(url)))
    with unconfirmed(scope, UNANSWERED.format(f"{method} {shown}")):
        result = await send(
            method,
            address,
            headers={name: word(value, f"header {name!r}") for name, value in (headers or {}).items()},
            query=json_data(dict(query or {}), "query"),
            json=None if json_body is None else json_data(json_body, "json"),
            body=None if body is None else plain_text(body),
            verify_tls=verify_tls,
            follow_redirects=follow_redirects,
            timeout=timeout,
            shown=shown,
        )
    if result.get("truncated"):
        result["body"] = scope.mask.cut(result["body"], end=True)
    status = result["status"]
    if status not in expect_status if expect_status else not 200 <= status < 400:
        raise StepFailed(f"{method} {shown} answered {_named(status)}", result)
    return result


async def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, Any] | None = None,
    json: Any = None,
    body: str | None = None,
    verify_tls: bool = True,
    follow_redirects: bool = True,
    timeout: float | None = None,
    shown: str = "",
) -> dict[str, Any]:
    """One request and its answer, whatever the status. `shown` is how errors name the address."""
    shown = shown or shown_url(url)
    client = httpx.AsyncClient(
        verify=_tls(verify_tls),
        follow_redirects=follow_redirects,
        timeout=SILENCE if timeout is None else None,
    )
    try:
        async with limited(timeout), client:
            with unlogged():
                request = client.build_request(
                    method, _address(url, query), headers=headers, json=json, content=body
                )
                return await _answer(await client.send(request, stream=True))
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
        raise StepFailed(f"{method} {shown}: {_in_words(error)}") from error


def place(url: str) -> str:
    """Scheme and host of an address: what may be shown of one whose path is a secret."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return UNREADABLE
    return f"{parsed.scheme}://{parsed.host}" if parsed.host else UNREADABLE


def shown_url(url: str) -> str:
    """An address without its password, its query and its fragment, where secrets tend to be."""
    return _PASSWORD.sub("***@", re.split(r"[?#]", url, maxsplit=1)[0])


def _address(url: str, query: Mapping[str, Any] | None) -> httpx.URL:
    address = httpx.URL(url)
    if address.scheme not in ("http", "https") or not address.host:
        raise ValueError("the address must begin with http:// or https:// and a host")
    return address.copy_merge_params(dict(query)) if query else address


async def _answer(response: httpx.Response) -> dict[str, Any]:
    try:
        body, truncated = await _read(response)
    finally:
        await response.aclose()
    text = body.decode(response.charset_encoding or "utf-8", "replace")
    result: dict[str, Any] = {
        "status": response.status_code,
        "headers": {name: _PASSWORD.sub("***@", value) for name, value in response.headers.items()},
        "body": text,
        "json": None if truncated else _parsed(response.headers.get("content-type", ""), text),
    }
    return result | ({"truncated": True} if truncated else {})


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > KEPT_BYTES:
            return bytes(body[:KEPT_BYTES]), True
    return bytes(body), False


def _parsed(content_type: str, text: str) -> Any:
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return None
    try:
        return json_module.loads(text)
    except (ValueError, RecursionError):
        return None


@cache
def _tls(verify: bool) -> ssl.SSLContext:
    """Reading the certificates takes 15 ms: once a process is enough."""
    return httpx.create_ssl_context(verify=verify)


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _in_words(error: BaseException) -> str:
    for cause in _causes(error):
        match cause:
            case ConnectionRefusedError():
                return "connection refused; nothing listens there"
            case socket.gaierror():
                return "the host's name is not known"
            case ssl.SSLCertVerificationError():
                return f"the certificate is not trusted: {cause.verify_message}"
            case httpx.ConnectTimeout():
                return "no connection within 30 s"
            case httpx.TimeoutException():
                return "no answer within 5 minutes"
            case httpx.InvalidURL():
                return "the address can't be read"
            case httpx.LocalProtocolError():
                return "the request can't be sent: a header holds a line break or another control character"
            case httpx.TooManyRedirects():
                return "too many redirects"
    return f"{_PASSWORD.sub('***@', str(error)) or type(error).__name__}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it came from, also what several attempts gave."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        current = queue.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        queue += [current.__cause__, current.__context__]
        if isinstance(current, BaseExceptionGroup):
            queue += current.exceptions
