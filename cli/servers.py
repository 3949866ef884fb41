"""Which servers a command talks to: the user's own, or the built-in ones, started when they are missing."""

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from cli.failures import Unavailable
from control import supervisor
from control.home import Home, Installation
from control.options import Options
from control.processes import wait_for
from control.reach import answers, require_broker, require_prefect
from control.services import CLIENT_SETTINGS, OWN_SERVER_SETTINGS, python_environment

if TYPE_CHECKING:
    from codegen.decision import EngineName

Tell = Callable[[str], None]

_CLIENT_DEFAULTS = CLIENT_SETTINGS | {
    # Prefect's own lines would tear the view apart; they still go to the run's log.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
}

_RESTARTED_WITHIN = 30.0


def prepare_run(engine: "EngineName", tell: Tell) -> None:
    """Have everything there that a run on this engine needs, and point Prefect's client at it.

    Raises what `control` raises for servers that can't be started or reached. Prefect must not have been
    imported yet: it reads its settings then.
    """
    home, options = Home.from_environment(), Options.from_environment()
    _set_defaults(_CLIENT_DEFAULTS)
    if options.prefect_api_url is None:
        installation = _running(home, tell)
        _point_at(installation, home)
        _share_results(installation, options)
        return
    require_prefect(options.prefect_api_url)
    if engine == "celery":
        _prepare_broker(home, options, tell)


def prepare_submission(tell: Tell) -> None:
    """Have the server there that takes a run, and point Prefect's client at it."""
    home, options = Home.from_environment(), Options.from_environment()
    _set_defaults(_CLIENT_DEFAULTS)
    if options.prefect_api_url is None:
        _point_at(_running(home, tell), home)
    else:
        require_prefect(options.prefect_api_url)


def find_server() -> None:
    """Point Prefect's client at the user's server, else the built-in one. Unavailable if none runs."""
    home, options = Home.from_environment(), Options.from_environment()
    _set_defaults(_CLIENT_DEFAULTS)
    if options.prefect_api_url is not None:
        require_prefect(options.prefect_api_url)
        return
    installation = home.installation()
    if installation is None:
        raise Unavailable(
            f"Nothing runs in {home.path}: start it with `opsconductor up`, "
            "or set PREFECT_API_URL to your own server."
        )
    _point_at(installation, home)


def _running(home: Home, tell: Tell) -> Installation:
    """The built-in installation, started unless it runs. Unavailable: its server runs and doesn't answer."""
    installation = home.installation()
    if installation is None:
        return supervisor.up(home, on_progress=tell)
    # One that crashed a moment ago is being started again.
    if not wait_for(lambda: answers(installation.prefect_api_url), _RESTARTED_WITHIN):
        raise Unavailable(
            f"The Prefect server {installation.prefect_api_url} does not answer: look at "
            "`opsconductor status`; `opsconductor down` and `opsconductor up` start it anew."
        )
    return installation


def _prepare_broker(home: Home, options: Options, tell: Tell) -> None:
    """The user's broker must answer; what of it is named nowhere is started here."""
    if options.broker_url is not None:
        require_broker(options.broker_url)
    if options.result_backend is not None:
        require_broker(options.result_backend, "OPSCONDUCTOR_RESULT_BACKEND")
    if options.broker_url is not None and options.results_url is not None:
        return
    installation = home.installation()
    if installation is None and (options.broker_url or not asyncio.run(_broker_is_a_block())):
        installation = supervisor.up(home, on_progress=tell)
    if installation is not None:
        _share_results(installation, options)


async def _broker_is_a_block() -> bool:
    from control.client import PrefectClient

    async with PrefectClient() as client:
        return await client.has_block("celery-broker", "default")


def _point_at(installation: Installation, home: Home) -> None:
    os.environ["PREFECT_API_URL"] = installation.prefect_api_url
    os.environ["PREFECT_UI_URL"] = installation.prefect_ui_url
    if installation.prefect_embedded:
        # A profile of the user's may hold another server's key; a proxy doesn't know our loopback.
        os.environ["PREFECT_HOME"] = str(home.prefect)
        os.environ.update(OWN_SERVER_SETTINGS)
        for name in ("PREFECT_PROFILE", "PREFECT_API_KEY"):
            os.environ.pop(name, None)
        os.environ.update({name: python_environment()[name] for name in ("NO_PROXY", "no_proxy")})


def _share_results(installation: Installation, options: Options) -> None:
    """A RabbitMQ of the user's keeps no results: the built-in store does, for the worker and for us."""
    if options.broker_url == installation.broker_url and options.result_backend is None:
        os.environ["OPSCONDUCTOR_RESULT_BACKEND"] = installation.result_backend


def _set_defaults(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        os.environ.setdefault(name, value)
