"""The Prefect server of rehearsals."""

import asyncio

import pytest

from rehearsal import server


def test_its_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is still to be sent to it is waited for, but not for ever."""
    sent: list[str] = []

    async def send() -> None:
        sent.append("all")

    monkeypatch.setattr(server, "LEAVE", 0.01)
    server._bounded(send())
    server._bounded(asyncio.sleep(3600))
    assert sent == ["all"]
