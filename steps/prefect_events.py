"""`emit` and `listen`: steps about Prefect's events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codegen.event_leaves import ID, OWN, Emit, Listen, Since
from steps.data import json_data, word
from steps.errors import StepFailed, StepTimedOut
from steps.event_service import EventService, Message, Patterns, Wanted
from steps.executor import executor
from steps.scope import Scope
from steps.timing import limited

Labels = Mapping[str, Any]


@executor(Emit)
async def emit(
    scope: Scope,
    event: str,
    *,
    resource: str | Labels | None = None,
    related: Sequence[Labels] = (),
    payload: Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> dict[str, Any]:
    """Emit an event about `resource`; left out, about the run.

    The result is `{id, event, occurred, resource, related, payload}`. The event is related to the run, the
    task run and all that Prefect knows around them. If the server did not take it, that is a `StepFailed`.
    """
    labels = {ID: resource} if resource is not None and not isinstance(resource, Mapping) else resource or {}
    told = {
        "event": _name(event),
        "resource": _labels(labels, "resource"),
        "related": [_labels(one, f"related[{index}]") for index, one in enumerate(related)],
        "payload": json_data(dict(payload or {}), "payload"),
    }
    message = Message(**scope.mask.data(told), step=scope.key)
    if message.event.startswith(OWN):
        raise StepFailed(f"the name {event!r} is Prefect's own; choose one that doesn't begin with {OWN}")
    async with limited(timeout):
        return await _service(scope).emit(message)


@executor(Listen)
async def listen(
    scope: Scope,
    event: str | Sequence[str],
    *,
    match: Labels | None = None,
    match_related: Labels | None = None,
    payload: Mapping[str, Any] | None = None,
    since: Since = "run",
    timeout: float | None = None,
) -> dict[str, Any]:
    """Wait for the first event of a name that has these labels and payload; the result is as that of `emit`.

    `since`: whether events count from the start of the run, or of this step, on.
    """
    names = [event] if isinstance(event, str) else event
    wanted = Wanted(
        names=tuple(_name(one) for one in names),
        match=_patterns(match or {}, "match"),
        match_related=_patterns(match_related or {}, "match_related"),
        payload=json_data(dict(payload or {}), "payload"),
        since=since,
    )
    service = _service(scope)
    try:
        async with limited(timeout):
            return await service.first(wanted, scope.line)
    except StepTimedOut as error:
        raise StepTimedOut(f"no event {' or '.join(wanted.names)} came that fits: {error.message}") from error


def _service(scope: Scope) -> EventService:
    service = scope.surroundings.events
    if service is None:
        raise StepFailed("Prefect's events can be reached by runs in Prefect only; run it there")
    return service


def _name(value: Any) -> str:
    name = word(value, "the event's name").strip()
    if not name.rstrip("*"):
        raise StepFailed("the event's name is empty; write one, or the beginning of one with * after it")
    return name


def _labels(labels: Labels, what: str) -> dict[str, str]:
    return {label: word(value, f"{what}: {label!r}") for label, value in labels.items()}


def _patterns(patterns: Labels, what: str) -> Patterns:
    return {
        label: tuple(word(one, f"{what}: {label!r}") for one in (value if _is_list(value) else (value,)))
        for label, value in patterns.items()
    }


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
