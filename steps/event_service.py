"""What `emit` and `listen` ask of Prefect's events; only a run in Prefect has them at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from codegen.event_leaves import Since

Patterns = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Message:
    """An event to be sent by a step. Without a resource it is about the run."""

    event: str
    resource: Mapping[str, str]
    related: Sequence[Mapping[str, str]]
    payload: Mapping[str, Any]
    step: str
    """The key of the execution that sends it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which event is waited for.

    `names` may end in `*`. Patterns are those of Prefect's automations: any of the texts, `*` at the end for
    whatever follows, `!` before one for anything else; a label that is missing matches nothing.
    """

    names: tuple[str, ...]
    match: Patterns
    match_related: Patterns
    payload: Mapping[str, Any]
    since: Since

    def fits(self, event: Mapping[str, Any]) -> bool:
        """Whether an event, as JSON data, is such a one."""
        return (
            any(_matches(name, event["event"]) for name in self.names)
            and _labelled(self.match, event["resource"])
            and (
                not self.match_related or any(_labelled(self.match_related, one) for one in event["related"])
            )
            and _holds(self.payload, event["payload"])
        )


class EventService(Protocol):
    """Prefect's events, as a run sees them."""

    async def emit(self, message: Message) -> dict[str, Any]:
        """Send an event. Gives it as JSON data; StepFailed when it was not taken."""

    async def first(self, wanted: Wanted, tell: Callable[[str], None]) -> dict[str, Any]:
        """Wait for an event; `tell` is told of whatever gets in the way and may pass."""


def _labelled(patterns: Patterns, labels: Mapping[str, str]) -> bool:
    return all(
        label in labels and any(_accepts(pattern, labels[label]) for pattern in accepted)
        for label, accepted in patterns.items()
    )


def _accepts(pattern: str, value: str) -> bool:
    return not _matches(pattern[1:], value) if pattern.startswith("!") else _matches(pattern, value)


def _matches(pattern: str, value: str) -> bool:
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def _holds(wanted: Any, found: Any) -> bool:
    """Whether data has all that is wanted; mappings may have more."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and _holds(value, found[key]) for key, value in wanted.items()
        )
    return bool(wanted == found) and isinstance(wanted, bool) == isinstance(found, bool)
