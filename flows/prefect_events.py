"""Prefect's events, as the steps of a generated flow send and await them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4, uuid5

from prefect import get_client
from prefect.client.orchestration import PrefectClient as Api
from prefect.context import FlowRunContext, TaskRunContext
from prefect.events import Event, RelatedResource, Resource
from prefect.events.related import related_resources_from_run_context
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings
from pydantic import ValidationError

from celery_bridge.background import alongside
from codegen.event_leaves import ID, ROLE, Since
from flows.event_search import FAULTS, Search, data, reason, said
from steps.errors import StepFailed
from steps.event_service import Message, Wanted


class PrefectEvents:
    """Those of the server that runs the flow. `run_id` is that of the whole run."""

    def __init__(self, run_id: str) -> None:
        self._run = f"prefect.flow-run.{run_id}"

    async def emit(self, message: Message) -> dict[str, Any]:
        """Send it, and wait for the server's word that it has been taken."""
        try:
            async with get_client() as api:
                event = await self._event(message, api)
                _check_size(event)
                await api.request("POST", "/events", json=[event.model_dump(mode="json")])
        except ValidationError as error:
            raise StepFailed(f"{message.event!r} is no event: {_first(error)}") from error
        except PrefectHTTPStatusError as error:
            raise StepFailed(f"Prefect did not take the event {message.event!r}: {said(error)}") from error
        except FAULTS as error:
            raise StepFailed(
                f"the event {message.event!r} could not be sent to Prefect: {reason(error)}"
            ) from error
        return data(event)

    async def first(self, wanted: Wanted, tell: Callable[[str], None]) -> dict[str, Any]:
        """Look at the stream of events, for speed, and in the store, so that none is missed."""
        search = Search(wanted, _beginning(wanted.since), tell)
        async with alongside(search.in_stream()) as streamed, alongside(search.in_store()) as stored:
            done, _ = await asyncio.wait((streamed, stored), return_when=asyncio.FIRST_COMPLETED)
            found: dict[str, Any] = next(iter(done)).result()
            return found

    async def _event(self, message: Message, api: Api) -> Event:
        resource = Resource(dict(message.resource or {ID: self._run}))
        related = [RelatedResource(dict(labels)) for labels in message.related]
        related.append(RelatedResource({ID: f"opsconductor.step.{message.step}", ROLE: "step"}))
        known = {one.id for one in (resource, *related)}
        related += await related_resources_from_run_context(api, known)
        if self._run not in {one.id for one in (resource, *related)}:
            related.append(RelatedResource({ID: self._run, ROLE: "flow-run"}))
        task = TaskRunContext.get()
        return Event(
            event=message.event,
            resource=resource,
            related=related,
            payload=dict(message.payload),
            # The same for each try: the server keeps one of them.
            id=uuid5(task.task_run.id, message.event) if task is not None else uuid4(),
        )


def _check_size(event: Event) -> None:
    most = get_current_settings().server.events.maximum_size_bytes
    if event.size_bytes > most:
        raise StepFailed(
            f"the event {event.event!r} has {event.size_bytes} bytes, and Prefect takes {most}; "
            "put less into its payload"
        )


def _beginning(since: Since) -> datetime:
    """When the run of the flow, or of the task with all its tries, began."""
    flow, task = FlowRunContext.get(), TaskRunContext.get()
    times: list[datetime | None] = []
    if since == "run" and flow is not None:
        times = [flow.start_time, flow.flow_run.start_time if flow.flow_run else None]
    elif task is not None:
        times = [task.start_time, task.task_run.start_time]
    return min(_known(times), default=datetime.now(UTC))


def _known(times: Iterable[datetime | None]) -> Iterator[datetime]:
    return (time for time in times if time is not None)


def _first(error: ValidationError) -> str:
    one = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}"
