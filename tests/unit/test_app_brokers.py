"""The brokers that steps name, as a worker finds them."""

import pytest

from celery_bridge.app_brokers import settings_of, tasks_from_worker
from celery_bridge.errors import SettingsError
from celery_bridge.settings import BridgeSettings
from steps.errors import StepFailed
from steps.task_service import Call

CALL = Call(id="1", task="shop.pay", args=[], kwargs={}, broker="shop")


def test_the_settings_of_a_block() -> None:
    """Its result backend is the broker, where it names no other."""
    assert settings_of("shop", {"url": "redis://a/1", "result_backend": None}).result_backend == "redis://a/1"
    settings = settings_of("shop", {"url": "amqp://b", "result_backend": "redis://a/2"})
    assert (settings.broker_url, settings.result_backend) == ("amqp://b", "redis://a/2")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"url": "sqs://u:hunter2@x"},
        {"url": "amqp://u:hunter2@b"},
        {"url": "redis://a", "result_backend": "db+x://u:hunter2@b"},
    ],
)
def test_a_block_that_can_not_be_used(data: dict[str, str]) -> None:
    """The error names it, and no password."""
    with pytest.raises(SettingsError, match="The CeleryBroker block 'shop' can't be used") as refused:
        settings_of("shop", data)
    assert "hunter2" not in str(refused.value)


async def run() -> str:
    """What a step is told that names the block."""
    tasks = tasks_from_worker(BridgeSettings.of("redis://127.0.0.1:9/0"))
    with pytest.raises(StepFailed) as failed:
        await tasks.run(CALL, lambda text: None)
    return failed.value.message


async def test_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker lacks the variable that names it."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert (
        await run() == "The CeleryBroker block 'shop' can't be looked up: this worker has no PREFECT_API_URL."
    )


async def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    assert (await run()).startswith("The CeleryBroker block 'shop' can't be read: ")
