"""One subscription for all followed runs: says which channel had news."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from redis.asyncio.connection import Connection

from celery_bridge.clients import AWAY, connection

PING_EVERY = 10.0
LONGEST_PAUSE = 2.0

# Called with a channel and what was published there; None: just subscribed, so what came before is unknown.
News = Callable[[str, str | None], None]


class Wakeups:
    """Keeps one connection subscribed to the wanted channels, through every loss of it."""

    def __init__(self, url: str, name: str, news: News) -> None:
        self._url = url
        self._name = name
        self._news = news
        self._wanted: dict[str, None] = {}
        self._connection: Connection | None = None

    async def want(self, *channels: str) -> None:
        """Subscribe to more channels; at once, or as soon as there is a connection."""
        self._wanted.update(dict.fromkeys(channels))
        await self._send("SUBSCRIBE", channels)

    async def drop(self, *channels: str) -> None:
        """Unsubscribe."""
        for channel in channels:
            self._wanted.pop(channel, None)
        await self._send("UNSUBSCRIBE", channels)

    async def run(self) -> None:
        """Listen until cancelled."""
        pause = 0.0
        while True:
            made = connection(self._url, self._name)
            try:
                await made.connect()  # type: ignore[no-untyped-call]
                self._connection = made
                await self._send("SUBSCRIBE", self._wanted)
                pause = 0.0
                await self._listen(made)
            except AWAY:
                pause = min(LONGEST_PAUSE, pause * 2 or 0.1)
            finally:
                self._connection = None
                await made.disconnect(nowait=True)
            await asyncio.sleep(pause)

    async def _listen(self, made: Connection) -> None:
        asked = False
        while True:
            message = await made.read_response(timeout=PING_EVERY, push_request=True)
            if message is not None:
                asked = False
                self._pass_on(message)
            elif asked:
                raise TimeoutError("no answer to PING")
            else:
                asked = True
                await made.send_command("PING", check_health=False)

    def _pass_on(self, message: Any) -> None:
        match message:
            case ["subscribe", str(channel), _]:
                self._news(channel, None)
            case ["message", str(channel), str(data)]:
                self._news(channel, data)
            case _:
                return

    async def _send(self, command: str, channels: Iterable[str]) -> None:
        made = self._connection
        names = list(channels)
        if made is None or not made.is_connected or not names:
            return
        try:
            await made.send_command(command, *names, check_health=False)
        except AWAY:
            # The listener notices too, and subscribes to all that is wanted on its next connection.
            await made.disconnect(nowait=True)
