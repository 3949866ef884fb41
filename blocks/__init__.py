"""The blocks of OpsConductor: `prefect block register -m blocks`."""

from blocks.celery_broker import CeleryBroker
from blocks.routing_policy import RoutingPolicy

__all__ = ["CeleryBroker", "RoutingPolicy"]
