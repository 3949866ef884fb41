"""What the tests of the language share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def prefect_api() -> Iterator[None]:
    """One Prefect server for all cases of a module. It must be gone before another test starts its own."""
    from rehearsal.server import prefect_server

    with prefect_server():
        yield
