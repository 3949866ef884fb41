"""Where Celery is."""

from typing import TypedDict

from prefect.blocks.core import Block
from pydantic import Field, HttpUrl, SecretStr


class Connection(TypedDict):
    """What the bridge needs to reach Celery."""

    broker_url: str
    result_backend: str | None
    queue: str


class CeleryBroker(Block):
    """The message broker and the result backend of your Celery workers.

    The block `default` is where workflows are run; steps of type `celery_task` name others.

    Example:
        CeleryBroker(url="redis://:password@broker:6379/0").save("default")
    """

    _block_type_name = "Celery Broker"
    _block_type_slug = "celery-broker"
    _description = "The message broker and the result backend that OpsConductor's Celery path uses."
    _documentation_url = HttpUrl("https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/")

    url: SecretStr = Field(description="The broker, redis://... or amqp://...")
    result_backend: SecretStr | None = Field(
        default=None, description="A Redis URL; left out, the broker where that is a Redis."
    )
    queue: str = Field(
        default="opsconductor",
        description="The queue that workflows are sent to; steps of type celery_task name their own.",
    )

    def get_connection(self) -> Connection:
        """The addresses in clear, for the bridge."""
        backend = self.result_backend
        return Connection(
            broker_url=self.url.get_secret_value(),
            result_backend=backend.get_secret_value() if backend else None,
            queue=self.queue,
        )
