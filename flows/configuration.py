"""The router's configuration: the environment first, then blocks in Prefect, then the embedded parts."""

import os
from typing import TypeVar

from prefect.blocks.core import Block

from blocks import CeleryBroker, RoutingPolicy
from celery_bridge.errors import SettingsError
from celery_bridge.settings import BridgeSettings
from codegen.policy import RoutingPolicy as Policy
from codegen.registry import Registry
from control.home import Home

BLOCK_NAME = "default"
CONCURRENCY_LEASE = 120.0
# Prefect's server takes no others.
SHORTEST_LEASE, LONGEST_LEASE = 60.0, 86_400.0
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


def concurrency_lease() -> float:
    """OPSCONDUCTOR_CONCURRENCY_LEASE: after how many seconds the slot of a run that died is free again."""
    text = os.environ.get("OPSCONDUCTOR_CONCURRENCY_LEASE", "").strip()
    try:
        seconds = float(text) if text else CONCURRENCY_LEASE
    except ValueError:
        seconds = 0.0
    if not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        raise SettingsError(
            f"OPSCONDUCTOR_CONCURRENCY_LEASE={text!r} is no number of seconds from {SHORTEST_LEASE:.0f} to "
            f"{LONGEST_LEASE:.0f}, which Prefect asks for. Give one, such as {CONCURRENCY_LEASE:.0f}."
        )
    return seconds


def registry() -> Registry:
    """Where generated flows are kept."""
    return Registry(Home.from_environment().registry)


async def _present(kind: type[B]) -> B | None:
    try:
        return await kind.aload(BLOCK_NAME)
    except ValueError:
        return None  # Prefect's way to say that there is no such block
