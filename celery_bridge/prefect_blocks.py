"""Prefect's blocks as a worker reads them: over HTTP, because importing Prefect takes a second."""

import os
from collections.abc import Mapping
from typing import Any, Self

import httpx

from steps.web import place

PATIENCE = 30.0


class BlocksUnreadable(Exception):
    """The server can't be asked. The message says why."""


class PrefectBlocks:
    """The blocks of one server."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self._url = url
        self._options: dict[str, Any] = {"headers": {}}
        if key := environment.get("PREFECT_API_KEY"):
            self._options["headers"]["Authorization"] = f"Bearer {key}"
        elif login := environment.get("PREFECT_API_AUTH_STRING"):
            user, _, password = login.partition(":")
            self._options["auth"] = httpx.BasicAuth(user, password)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self | None:
        """Those of the server that PREFECT_API_URL names; None without it."""
        given = os.environ if environment is None else environment
        url = given.get("PREFECT_API_URL", "").strip().rstrip("/")
        return cls(url, given) if url else None

    async def data(self, kind: str, name: str) -> dict[str, Any] | None:
        """What a block of a type holds, its secrets in clear; None where there is none of that name."""
        address = f"{self._url}/block_types/slug/{kind}/block_documents/name/{name}"
        try:
            async with httpx.AsyncClient(timeout=PATIENCE, **self._options) as client:
                answer = await client.get(address, params={"include_secrets": "true"})
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failed(f"does not answer ({type(error).__name__})") from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        if not answer.is_success:
            raise self._failed(f"answered {answer.status_code}")
        try:
            data: dict[str, Any] = {**answer.json()["data"]}
        except (ValueError, TypeError, KeyError):
            raise self._failed("gave no block") from None
        return data

    def _failed(self, how: str) -> BlocksUnreadable:
        return BlocksUnreadable(f"{place(self._url)} {how}")
