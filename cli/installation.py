"""`up`, `down` and the overview of `status`: the built-in installation."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from celery_bridge.urls import masked
from cli import output
from cli.failures import Exit, UsageError
from cli.options import Json
from control import supervisor
from control.home import Home, Installation
from control.supervisor import ServiceStatus


def up(
    *,
    port: Annotated[
        int | None,
        Parameter(help="Where the Prefect server is to listen; a free port from 4200 on without it."),
    ] = None,
    as_json: Json = False,
) -> int:
    """Start the built-in Prefect server, broker, worker and router, unless they run already."""
    if port is not None and not 1 <= port <= 65535:
        raise UsageError(f"--port is {port}: give a number from 1 to 65535.")
    home = Home.from_environment()
    _require_port(home.installation(), port)
    installation = supervisor.up(home, port=port, on_progress=output.say)
    if as_json:
        output.print_json(_overview(home, installation))
    else:
        _show(home, installation)
    return Exit.DONE


def _require_port(running: Installation | None, port: int | None) -> None:
    """What runs already stays where it is."""
    address = running.prefect_api_url if running is not None and running.prefect_embedded else ""
    if port is not None and address and urlsplit(address).port != port:
        raise UsageError(
            f"--port is {port}, but the Prefect server runs already at {address}: leave --port out, "
            "or stop it first with `opsconductor down`."
        )


def down(*, as_json: Json = False) -> int:
    """Stop what `up` started."""
    stopped = supervisor.down(Home.from_environment())
    if as_json:
        output.print_json({"stopped": stopped})
    else:
        output.write_text(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")
    return Exit.DONE


def overview(as_json: bool) -> int:
    """Show the installation; tells by the exit code whether all of it runs."""
    home = Home.from_environment()
    installation = home.installation()
    if as_json:
        output.print_json(_overview(home, installation))
    else:
        _show(home, installation)
    return Exit.DONE if installation and _all_run(supervisor.check(home)) else Exit.UNREACHABLE


def _all_run(services: list[ServiceStatus]) -> bool:
    return all(service.state == "running" for service in services)


def _overview(home: Home, installation: Installation | None) -> dict[str, Any]:
    saved = installation or home.saved()
    return {
        "home": str(home.path),
        "running": installation is not None,
        "prefect_ui_url": installation.prefect_ui_url if installation else None,
        "prefect_api_url": installation.prefect_api_url if installation else None,
        "broker_url": masked(installation.broker_url) if installation else None,
        "services": [
            {
                "name": service.name,
                "state": service.state,
                "pid": service.pid,
                "port": service.port,
                "restarts": service.restarts,
                "uptime_seconds": service.uptime,
                "url": service.url,
            }
            for service in (supervisor.check(home) if saved else ())
        ],
    }


def _show(home: Home, installation: Installation | None) -> None:
    console = output.standard_output()
    services = supervisor.check(home)
    if services:
        console.print(_table(services))
    if any(one.state == "orphaned" for one in services):
        console.print("Their supervisor was killed; `opsconductor up` starts them anew, `down` stops them.")
    elif installation is None:
        console.print(f"Nothing runs in {home.path}; `opsconductor up` or `opsconductor run FILE` starts it.")
    else:
        console.print(f"Prefect UI: {installation.prefect_ui_url}")


def _table(services: list[ServiceStatus]) -> Table:
    table = Table("service", "state", "port", "pid", "up for", "restarts", "address")
    for one in services:
        uptime = f"{one.uptime:.0f} s" if one.uptime is not None else ""
        shown = (one.port or "", one.pid or "", uptime, one.restarts, one.url or "")
        style = "green" if one.state == "running" else "red"
        table.add_row(one.name, Text(one.state, style=style), *map(str, shown))
    return table
