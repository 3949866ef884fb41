"""The worker that we own: `celery -A celery_bridge.worker worker`.

Its broker comes from OPSCONDUCTOR_BROKER_URL and OPSCONDUCTOR_RESULT_BACKEND. While it takes work, the file
named by OPSCONDUCTOR_READY_FILE exists.
"""

import os
from pathlib import Path

from celery.signals import worker_ready, worker_shutting_down

from celery_bridge import tasks
from celery_bridge.app import make_app
from celery_bridge.settings import BridgeSettings

app = make_app(BridgeSettings.from_environment())
app.conf.include = [tasks.__name__]


@worker_ready.connect  # type: ignore[untyped-decorator]
def announce(**_: object) -> None:
    """Say that the worker takes work."""
    if file := _ready_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{os.getpid()}\n")


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def withdraw(**_: object) -> None:
    """Say that the worker takes no more work."""
    if file := _ready_file():
        file.unlink(missing_ok=True)


def _ready_file() -> Path | None:
    named = os.environ.get("OPSCONDUCTOR_READY_FILE")
    return Path(named) if named else None
