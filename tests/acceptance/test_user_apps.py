"""A task of somebody's Celery app under a run in Prefect whose process dies."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.stack import Stack, wait_until
from tests.integration.brokers import worker

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("stack")]

APP = """
import time
from pathlib import Path
from celery import Celery

app = Celery("theirs", broker={url!r}, backend={url!r})


@app.task(name="theirs.pay")
def pay():
    done = Path({done!r})
    with done.open("a") as file:
        file.write("began ")
    while not Path({gate!r}).exists():
        time.sleep(0.05)
    with done.open("a") as file:
        file.write("paid ")
    return 42
"""


def test_after_a_death_the_task_is_found_again(stack: Stack, tmp_path: Path) -> None:
    """The next try follows it: it is paid once. Without a block it goes over our own broker."""
    done, gate = tmp_path / "done", tmp_path / "gate"
    (tmp_path / "theirs.py").write_text(APP.format(url=stack.broker_url, done=str(done), gate=str(gate)))
    document = {
        "name": f"Pays in {tmp_path.name}",
        "engine": {"prefer": "prefect", "force": True},
        "steps": [{"id": "pay", "type": "celery_task", "task": "theirs.pay", "timeout": 300}],
        "outputs": {"paid": "{{ steps.pay.result.value }}"},
    }
    file = tmp_path / "pays.json"
    file.write_text(json.dumps(document))
    with worker(tmp_path, stack.broker_url, "", "--concurrency=1", app="theirs"):
        running = stack.start("run", str(file), "--json")
        wait_until(done.exists)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(30)
        gate.touch()
        result = stack.json("retry", str(document["name"]))
    assert (result["success"], result["result_data"]) == (True, {"paid": 42})
    assert done.read_text().split() == ["began", "paid"]
