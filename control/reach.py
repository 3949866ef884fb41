"""Whether the user's own servers answer, said within seconds instead of waited for."""

from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from celery_bridge.urls import masked
from control.home import InstallationError

_PATIENCE = 3.0


class Unreachable(InstallationError):
    """A server of the user's own can't be reached."""

    def __init__(self, what: str, url: str, variable: str, reason: str) -> None:
        self.variable = variable
        super().__init__(
            f"{what} {masked(url)} can't be reached ({masked(reason)}): start it, correct {variable}, "
            "or leave it out to use the built-in one."
        )


def require_broker(url: str, variable: str = "OPSCONDUCTOR_BROKER_URL") -> None:
    """Raises Unreachable when the broker refuses the connection or the password, or doesn't answer.

    Of several, separated by `;`, one will do.
    """
    troubles = [_trouble_with_broker(one) for one in url.split(";")]
    if all(troubles):
        raise Unreachable("The broker", url, variable, "; ".join(map(str, troubles)))


def _trouble_with_broker(url: str) -> str | None:
    from kombu import connection as kombu_connection
    from kombu.exceptions import KombuError

    waits = {"socket_connect_timeout": _PATIENCE, "socket_timeout": _PATIENCE, "max_retries": 0}
    connect: Any = kombu_connection.Connection  # untyped
    connection = connect(url, connect_timeout=_PATIENCE, transport_options=waits)
    errors = (*connection.connection_errors, *connection.channel_errors, KombuError, OSError, ValueError)
    try:
        # The transport itself: `connect` tries twice, with a pause.
        transport = connection.transport
        transport.close_connection(transport.establish_connection())
    except errors as error:
        return str(error) or type(error).__name__
    finally:
        connection.release()
    return None


def answers(api_url: str) -> bool:
    """Whether a Prefect server answers there."""
    return _trouble_with_prefect(f"{api_url.rstrip('/')}/health") is None


def require_prefect(api_url: str) -> None:
    """Raises Unreachable when nothing answers there, or something that isn't Prefect's API."""
    trouble = _trouble_with_prefect(f"{api_url.rstrip('/')}/health")
    if trouble is not None:
        raise Unreachable("The Prefect server", api_url, "PREFECT_API_URL", trouble)


def _trouble_with_prefect(url: str) -> str | None:
    try:
        with urlopen(url, timeout=_PATIENCE) as answer:  # noqa: S310 (the scheme was checked when it was read)
            if answer.read(100).strip() == b"true":
                return None
    except HTTPError as error:
        with error:
            # It is there; whether the key fits is for Prefect's own clients to say.
            return None if error.code in (401, 403) else f"it answers {error.code}"
    except (URLError, HTTPException, OSError) as error:
        return str(getattr(error, "reason", error)) or type(error).__name__
    return "what answers there is not Prefect's API, whose URL ends in /api"
