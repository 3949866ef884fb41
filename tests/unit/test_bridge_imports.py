"""A Celery worker starts without Prefect."""

import subprocess
import sys

SCRIPT = """
import sys
import celery_bridge.tasks, celery_bridge.app, celery_bridge.remote
print(sorted({name.partition(".")[0] for name in sys.modules} & {"prefect", "fastapi", "sqlalchemy"}))
"""


def test_a_worker_has_no_prefect() -> None:
    """A fresh interpreter that imports what a worker does has loaded neither Prefect nor FastAPI."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
