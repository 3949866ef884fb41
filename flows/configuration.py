"""The router's configuration: the environment first, then blocks in Prefect, then the embedded parts."""

import os
from typing import TypeVar

from prefect.blocks.core import Block

from blocks import CeleryBroker, RoutingPolicy
from celery_bridge.settings import BridgeSettings
from codegen.policy import RoutingPolicy as Policy
from codegen.registry import Registry
from control.home import Home

BLOCK_NAME = "default"
B = TypeVar("B", bound=Block)


async def routing_policy() -> Policy:
    """The policy of the block `routing-policy/default`, else the defaults."""
    block = await _present(RoutingPolicy)
    return block.get_policy() if block else Policy()


async def bridge_settings() -> BridgeSettings:
    """The broker: OPSCONDUCTOR_BROKER_URL, the block `celery-broker/default`, or the embedded one."""
    if os.environ.get("OPSCONDUCTOR_BROKER_URL"):
        return BridgeSettings.from_environment()
    if block := await _present(CeleryBroker):
        return BridgeSettings.of(**block.get_connection())
    installation = Home.from_environment().installation()
    return BridgeSettings.from_environment(os.environ | (installation.environment() if installation else {}))


def registry() -> Registry:
    """Where generated flows are kept."""
    return Registry(Home.from_environment().registry)


async def _present(kind: type[B]) -> B | None:
    try:
        return await kind.aload(BLOCK_NAME)
    except ValueError:
        return None  # Prefect's way to say that there is no such block
