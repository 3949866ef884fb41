"""How a step finds the event that it waits for, however soon or late that comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import httpx
from prefect import get_client
from prefect.events import Event, ResourceSpecification
from prefect.events.clients import get_events_subscriber
from prefect.events.filters import (
    EventFilter,
    EventNameFilter,
    EventOccurredFilter,
    EventOrder,
    EventResourceFilter,
)
from prefect.exceptions import PrefectException, PrefectHTTPStatusError

from steps.errors import StepFailed
from steps.event_service import Wanted

FAULTS = (httpx.HTTPError, PrefectException)
"""What it looks like when the server doesn't answer, or not as it should."""

_MAY_PASS = (408, 429)
# The server streams an event as it comes, and stores it up to 5 s later: one that comes just before the
# stream is open can only be found there, a while after.
_PAUSES = (1, 1, 1, 1, 2, 2, 4, 8, 15, 30)
_PAUSE, _PAUSE_ALONE = 60, 10
_UNTIL_ANOTHER_STREAM = 5.0
_LATE = timedelta(minutes=15)  # by which an event may be stored after the time that it bears
_AHEAD = timedelta(days=365)
_PAGE = 50  # the server gives no more
_STREAM = "Prefect's stream of events broke; it is opened again, and the store is looked through"
_STORE = "Prefect's events can't be read, which is tried again"


class Search:
    """One step's search for an event; what has been looked at isn't kept."""

    def __init__(self, wanted: Wanted, since: datetime, tell: Callable[[str], None]) -> None:
        self._wanted = wanted
        self._since = since
        self._tell = tell
        self._troubles: set[str] = set()

    async def in_stream(self) -> dict[str, Any]:
        """The first that comes; the stream is opened again whenever it breaks."""
        while True:
            try:
                async with get_events_subscriber(
                    self._filter(self._since), reconnect_on_clean_close=True
                ) as subscriber:
                    async for event in subscriber:
                        if (found := self._fitting(event)) is not None:
                            return found
            except Exception as error:  # noqa: BLE001 - Prefect's own has no narrower type for a refusal
                self._trouble(_STREAM, error)
            await asyncio.sleep(_UNTIL_ANOTHER_STREAM)

    async def in_store(self) -> dict[str, Any]:
        """The first that is there; looked for again and again."""
        since = self._since
        for pause in chain(_PAUSES, repeat(_PAUSE)):
            begun = datetime.now(UTC)
            try:
                if (found := await self._stored(since)) is not None:
                    return found
                since = max(self._since, begun - _LATE)
                self._troubles.discard(_STORE)
            except FAULTS as error:
                if _is_final(error):
                    raise StepFailed(f"Prefect does not show its events: {said(error)}") from error
                self._trouble(_STORE, error)
            await asyncio.sleep(min(pause, _PAUSE_ALONE) if _STREAM in self._troubles else pause)
        raise AssertionError("there is always another pause")

    async def _stored(self, since: datetime) -> dict[str, Any] | None:
        async with get_client() as api:
            page = await api.read_events(self._filter(since), limit=_PAGE)
            while True:
                for event in page.events:
                    if (found := self._fitting(event)) is not None:
                        return found
                following = await page.get_next_page(api)
                if following is None:
                    return None
                page = following

    def _fitting(self, event: Event) -> dict[str, Any] | None:
        if event.occurred < self._since:
            return None
        found = data(event)
        return found if self._wanted.fits(found) else None

    def _filter(self, since: datetime) -> EventFilter:
        """As narrow as the server can be asked; a new one each time, because subscribers change theirs."""
        names = self._wanted.names
        exact = not any(name.endswith("*") for name in names)
        return EventFilter(
            occurred=EventOccurredFilter(since=since, until=datetime.now(UTC) + _AHEAD),
            event=EventNameFilter(
                name=list(names) if exact else None,
                prefix=None if exact else [name.removesuffix("*") for name in names],
            ),
            resource=EventResourceFilter(labels=ResourceSpecification(dict(self._labels()))),
            order=EventOrder.ASC,
        )

    def _labels(self) -> Iterator[tuple[str, str | list[str]]]:
        """Not those with a !: stored events are compared more loosely, so that some would be missing."""
        for label, patterns in self._wanted.match.items():
            if not any(pattern.startswith("!") for pattern in patterns):
                yield label, list(patterns)

    def _trouble(self, what: str, error: Exception) -> None:
        if what not in self._troubles:
            self._troubles.add(what)
            self._tell(f"{what}: {reason(error)}")


def data(event: Event) -> dict[str, Any]:
    """An event as steps see it."""
    return event.model_dump(
        mode="json", include={"id", "event", "occurred", "resource", "related", "payload"}
    )


def _is_final(error: Exception) -> bool:
    """Whether the server will not say anything else the next time."""
    if not isinstance(error, PrefectHTTPStatusError):
        return False
    return 400 <= error.response.status_code < 500 and error.response.status_code not in _MAY_PASS


def said(error: Exception) -> str:
    """What the server answered, where it did."""
    if not isinstance(error, PrefectHTTPStatusError):
        return reason(error)
    return f"it answered {error.response.status_code}: {error.response.text[:300]}"


def reason(error: Exception) -> str:
    """An error in a line."""
    return str(error).partition("\n")[0] or type(error).__name__
