"""The installation that the acceptance tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.stack import Stack, free_port


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation started by `opsconductor up` in a folder of its own, and stopped by `down`."""
    stack = Stack(tmp_path_factory.mktemp("stack") / "home")
    try:
        up = stack("up", "--port", str(free_port()))
        assert up.returncode == 0, up.stdout + up.stderr
        yield stack
    finally:
        stack("down")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Stack]:
    """An installation that isn't there yet; whatever a test starts of it is stopped."""
    stack = Stack(tmp_path / "home", (("OPSCONDUCTOR_PORT", str(free_port())),))
    yield stack
    stack("down")
