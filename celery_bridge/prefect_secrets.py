"""Prefect's Secret blocks as a worker reads them: over HTTP, because importing Prefect takes a second."""

import os
from collections.abc import Mapping
from typing import Any

import httpx

from steps.secret_values import Lookup, LookupFailed
from steps.web import place

PATIENCE = 30.0
_PATH = "/block_types/slug/secret/block_documents/name/"


def block_name(name: str) -> str:
    """The block of a secret: names of blocks have no underscores."""
    return name.replace("_", "-")


def where(name: str) -> str:
    """What to call the block of a secret."""
    return f"Prefect's Secret block {block_name(name)!r}"


def text_of(value: object, name: str) -> str:
    """The text in a block, which may hold any JSON data."""
    if not isinstance(value, str):
        raise LookupFailed(f"{where(name)} holds {type(value).__name__}, not a text")
    return value


def blocks_of_prefect(environment: Mapping[str, str] | None = None) -> tuple[Lookup, ...]:
    """The blocks of the server that PREFECT_API_URL names; nothing without it."""
    given = os.environ if environment is None else environment
    url = given.get("PREFECT_API_URL", "").strip().rstrip("/")
    return (_Blocks(url, given),) if url else ()


class _Blocks:
    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self._url = url
        self._options: dict[str, Any] = {"headers": {}}
        if key := environment.get("PREFECT_API_KEY"):
            self._options["headers"]["Authorization"] = f"Bearer {key}"
        elif login := environment.get("PREFECT_API_AUTH_STRING"):
            user, _, password = login.partition(":")
            self._options["auth"] = httpx.BasicAuth(user, password)

    def where(self, name: str) -> str:
        """Where one is kept."""
        return where(name)

    async def find(self, name: str) -> str | None:
        """The text in its block."""
        address, asked = f"{self._url}{_PATH}{block_name(name)}", {"include_secrets": "true"}
        try:
            async with httpx.AsyncClient(timeout=PATIENCE, **self._options) as client:
                answer = await client.get(address, params=asked)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failed(name, f"does not answer ({type(error).__name__})") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if not answer.is_success:
            raise self._failed(name, f"answered {answer.status_code}")
        try:
            value = answer.json()["data"]["value"]
        except (ValueError, TypeError, KeyError):
            raise self._failed(name, "gave no block") from None
        return text_of(value, name)

    def _failed(self, name: str, how: str) -> LookupFailed:
        return LookupFailed(f"{where(name)} can't be read: {place(self._url)} {how}")
