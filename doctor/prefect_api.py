"""Asking a Prefect server of whatever version, with short patience: Prefect's own client insists."""

import base64
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

from doctor.clocks import Clock

PATIENCE = 5.0


class Refused(Exception):
    """The server can't be reached, or answers with an error. `status` is None where it can't be reached."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is spoken to."""

    headers: Mapping[str, str]
    verify: ssl.SSLContext | bool = True
    trust_env: bool = True


class PrefectApi:
    """A server's HTTP interface. Use it as a context manager; every request may raise Refused."""

    def __init__(self, url: str, access: Access) -> None:
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers=dict(access.headers),
            verify=access.verify,
            trust_env=access.trust_env,
            timeout=PATIENCE,
            follow_redirects=True,
        )

    @classmethod
    def built_in(cls, url: str, environment: Mapping[str, str]) -> Self:
        """Our own server: no proxy knows it, and no profile of the user's has its key."""
        auth = environment.get("PREFECT_API_AUTH_STRING") or environment.get("PREFECT_SERVER_API_AUTH_STRING")
        return cls(url, Access(_authorization(auth, None), trust_env=False))

    @classmethod
    def of_settings(cls, url: str) -> Self:
        """A server of the user's, with key and certificates as Prefect's settings and profiles have them."""
        from prefect.settings import get_current_settings

        settings = get_current_settings()
        auth, key = settings.api.auth_string, settings.api.key
        headers = {name: str(value) for name, value in dict(settings.client.custom_headers).items()}
        headers |= _authorization(
            auth.get_secret_value() if auth else None, key.get_secret_value() if key else None
        )
        verify: ssl.SSLContext | bool = True
        if settings.api.tls_insecure_skip_verify:
            verify = False
        elif settings.api.ssl_cert_file:
            verify = ssl.create_default_context(cafile=settings.api.ssl_cert_file)
        return cls(url, Access(headers, verify))

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return self._asked("GET", path)

    def post(self, path: str, data: Mapping[str, Any]) -> Any:
        """The JSON that a question gets."""
        return self._asked("POST", path, data)

    def take_token(self) -> None:
        """Servers that ask for a token with each question give it here; others refuse, which is as well."""
        client = str(uuid4())
        try:
            token = self.get(f"/csrf-token?client={client}")["token"]
        except (Refused, KeyError, TypeError):
            return
        self._client.headers.update({"Prefect-Csrf-Token": str(token), "Prefect-Csrf-Client": client})

    def clock(self) -> Clock | None:
        """The server's clock, by the date of its answer; None where it gives none."""
        before, began = datetime.now(UTC), time.monotonic()
        date = self._answer("GET", "/health").headers.get("date")
        took = time.monotonic() - began
        if date is None:
            return None
        # The date has no fractions of a second.
        return Clock.read(parsedate_to_datetime(date).timestamp(), before.timestamp(), took, grain=1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def _asked(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> Any:
        answer = self._answer(method, path, data)
        try:
            return answer.json()
        except ValueError:
            raise Refused("what answers there is not Prefect's API, whose URL ends in /api") from None

    def _answer(self, method: str, path: str, data: Mapping[str, Any] | None = None) -> httpx.Response:
        try:
            answer = self._client.request(method, path, json=data)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Refused(str(error) or type(error).__name__) from error
        if answer.is_error:
            raise Refused(f"it answers {answer.status_code} to {path.partition('?')[0]}", answer.status_code)
        return answer


def _authorization(auth: str | None, key: str | None) -> dict[str, str]:
    if auth:
        return {"Authorization": f"Basic {base64.b64encode(auth.encode()).decode()}"}
    return {"Authorization": f"Bearer {key}"} if key else {}
