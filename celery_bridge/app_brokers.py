"""The brokers of Celery apps as a worker finds them: in CeleryBroker blocks of Prefect."""

from typing import Any

from celery_bridge.errors import SettingsError
from celery_bridge.prefect_blocks import BlocksUnreadable, PrefectBlocks
from celery_bridge.settings import BridgeSettings
from celery_bridge.user_tasks import UserTasks

KIND = "celery-broker"


def tasks_from_worker(own: BridgeSettings) -> UserTasks:
    """The tasks that a worker's steps run; `own` is the broker for those that name no block."""

    async def broker(block: str | None) -> BridgeSettings:
        return own if block is None else await _of_block(block)

    return UserTasks(broker)


def settings_of(block: str, data: dict[str, Any]) -> BridgeSettings:
    """The settings in a block. SettingsError names it."""
    try:
        return BridgeSettings.of(data["url"], data.get("result_backend"))
    except (KeyError, SettingsError) as error:
        raise SettingsError(f"The CeleryBroker block {block!r} can't be used: {error}") from error


def no_block(block: str) -> SettingsError:
    """The error where there is none of that name."""
    return SettingsError(
        f"There is no CeleryBroker block {block!r} in Prefect. Save one: "
        f"CeleryBroker(url='redis://...').save({block!r}), or in Prefect's UI."
    )


async def _of_block(block: str) -> BridgeSettings:
    blocks = PrefectBlocks.from_environment()
    if blocks is None:
        raise SettingsError(
            f"The CeleryBroker block {block!r} can't be looked up: this worker has no PREFECT_API_URL."
        )
    try:
        data = await blocks.data(KIND, block)
    except BlocksUnreadable as error:
        raise SettingsError(f"The CeleryBroker block {block!r} can't be read: {error}") from error
    if data is None:
        raise no_block(block)
    return settings_of(block, data)
