"""What a worker says of itself by `opsconductor_introduce`, a remote control command of Celery."""

import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from celery.worker.control import inspect_command

from celery_bridge.errors import SettingsError
from celery_bridge.settings import BridgeSettings
from celery_bridge.urls import masked

INTRODUCE = "opsconductor_introduce"
PACKAGES = ("opsconductor", "celery", "kombu", "redis")


def versions() -> dict[str, str]:
    """The versions of what two ends of the bridge should have in common."""
    return {name: _version(name) for name in PACKAGES}


@inspect_command(name=INTRODUCE)  # type: ignore[untyped-decorator]
def introduce(state: Any, **_: Any) -> dict[str, Any]:
    """Versions, clock, result backend and the file that revoked tasks are kept in."""
    controller = getattr(state.consumer, "controller", None)
    return {
        "versions": versions(),
        "python": platform.python_version(),
        "time": time.time(),
        "result_backend": _results(state.app),
        "state_db": getattr(controller, "statedb", None),
    }


def _results(app: Any) -> str | None:
    try:
        return masked(BridgeSettings.of_app(app).result_backend)
    except SettingsError:
        return None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
