"""The brokers of Celery apps as the steps of a generated flow find them: in blocks, as all configuration."""

import httpx
from prefect.exceptions import PrefectException

from blocks import CeleryBroker
from celery_bridge.app_brokers import no_block, settings_of
from celery_bridge.errors import SettingsError
from celery_bridge.settings import BridgeSettings
from celery_bridge.user_tasks import UserTasks
from flows.configuration import bridge_settings


def tasks_from_flow() -> UserTasks:
    """The tasks that a flow's steps run."""
    return UserTasks(_broker)


async def _broker(block: str | None) -> BridgeSettings:
    if block is None:
        return await bridge_settings()
    try:
        found: CeleryBroker = await CeleryBroker.aload(block)
    except ValueError:
        raise no_block(block) from None  # Prefect's way to say that there is no such block
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        raise SettingsError(
            f"The CeleryBroker block {block!r} can't be read ({type(error).__name__})."
        ) from error
    connection = found.get_connection()
    return settings_of(
        block, {"url": connection["broker_url"], "result_backend": connection["result_backend"]}
    )
