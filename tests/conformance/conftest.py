"""What the tests of the language share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def prefect_api() -> Iterator[None]:
    """One Prefect server for all cases."""
    from rehearsal.server import prefect_server

    with prefect_server():
        yield
