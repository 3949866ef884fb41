"""Brokers and workers that integration tests share."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.integration.brokers import (
    RABBITMQ,
    RabbitServer,
    RedisServer,
    Worker,
    rabbitmq_server,
    redis_server,
    worker,
)

FOLDER = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a module share its servers, so one process runs them all."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis or Valkey for all tests that leave it running."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(shared_redis: RedisServer) -> str:
    """The address of a running Redis or Valkey."""
    return shared_redis.url


@pytest.fixture(scope="session")
def shared_rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """One RabbitMQ for all tests that leave it running."""
    with _rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq_url(shared_rabbitmq: RabbitServer) -> str:
    """The address of a running RabbitMQ."""
    return shared_rabbitmq.url


@pytest.fixture(scope="session")
def celery_worker(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Worker]:
    """One Celery worker on `redis_url` for all tests that leave it running."""
    with worker(tmp_path_factory.mktemp("worker"), redis_url, redis_url) as started:
        yield started


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis or Valkey that a test may kill."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_server(folder) as server:
        yield server


@pytest.fixture
def own_rabbitmq(tmp_path: Path) -> Iterator[RabbitServer]:
    """A RabbitMQ that a test may start again."""
    folder = tmp_path / "rabbitmq"
    folder.mkdir()
    with _rabbitmq(folder) as server:
        yield server


def _rabbitmq(folder: Path) -> AbstractContextManager[RabbitServer]:
    """A running one. Without one installed, tests are skipped; in CI they fail."""
    if not RABBITMQ.exists():
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"there is no RabbitMQ at {RABBITMQ}")
    return rabbitmq_server(folder)
