"""A Redis hands a message out again after its visibility timeout, though a living worker is at it."""

import asyncio
from pathlib import Path
from uuid import uuid4

from celery_bridge.remote import link_to, run_remotely
from celery_bridge.settings import BridgeSettings
from celery_bridge.submission import Submission
from tests.integration.brokers import worker
from tests.unit.waiting import wait_until

HURRIED = """
from celery_bridge.worker import app
app.conf.broker_transport_options |= {
    "visibility_timeout": 1, "unacked_restore_interval": 0.2, "unacked_restore_throttle": 1,
}
"""


async def test_a_step_longer_than_the_visibility_timeout_runs_once(redis_url: str, tmp_path: Path) -> None:
    """The copy of the message waits for the end of the run, and is then done with."""
    (tmp_path / "hurried.py").write_text(HURRIED)
    settings = BridgeSettings.of(redis_url, queue=f"queue-{uuid4()}")
    mark, go = tmp_path / "mark", tmp_path / "go"
    command = f"echo x >> {mark}; until [ -e {go} ]; do sleep 0.02; done"
    document = {"name": "n", "steps": [{"id": "a", "type": "command", "command": command}]}
    sent = Submission(document, {}, [], str(uuid4()))
    received = f"run_workflow[{sent.run_id}] received"
    options = ("-Q", settings.queue, "--concurrency=3")
    with worker(tmp_path, redis_url, redis_url, *options, app="hurried") as hurried:
        running = asyncio.create_task(run_remotely(link_to(settings), sent))
        await wait_until(lambda: hurried.log.read_text().count(received) > 1)
        go.touch()
        assert (await running).success
    assert mark.read_text() == "x\n"
