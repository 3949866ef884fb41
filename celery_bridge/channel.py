"""What worker and follower say to each other through Redis: the keys of a run and the entries of its stream.

    opsconductor:run:{id}           a channel: something was added to the stream
    opsconductor:run:{id}:events    the stream: claims, events, and at last a report or a refusal
    opsconductor:run:{id}:lease     who runs it; gone soon after that process is
    opsconductor:run:{id}:cancel    `cancelled`, or `withdrawn` before it began; workers keep an eye on it,
                                    and make it `heard` when they bring the run to its end
    opsconductor:run:{id}:sent      `sending`, then `sent`
    opsconductor:run:{id}:journal   a stream, the same for all tries of the run: claims, and what its
                                    executions did
    opsconductor:run:{id}:deaths    a set: the claims of those that went on after a process had died
    opsconductor:run:{id}:over      how many tries of the run have been seen to end

A second try of the run has names of its own, with {id}.2, and so on. All of them expire. Entry ids begin with
the moment of the claim and count from there, so adding an entry a second time after a broken connection
changes nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from celery_bridge.fitting import fitted
from codegen.result import Report
from steps.events import Event

LONGEST_STREAM = 10_000
LARGEST_STREAM = 8 * 1024 * 1024
"""Characters of a stream's events; the report is not one of them."""
LONGEST_TEXT = 4_000
ROOM_FOR_A_NOTE = 50


@dataclass(frozen=True, slots=True)
class Keys:
    """The names that belong to one try of a run."""

    run_id: str
    attempt: int = 1

    @property
    def task_id(self) -> str:
        """The id of the Celery task."""
        return self.run_id if self.attempt == 1 else f"{self.run_id}.{self.attempt}"

    @property
    def channel(self) -> str:
        """Where wake-ups are published."""
        return f"opsconductor:run:{self.task_id}"

    @property
    def journal(self) -> str:
        """What the executions of all tries of the run did."""
        return f"opsconductor:run:{self.run_id}:journal"

    @property
    def over(self) -> str:
        """How many tries have been seen to end."""
        return f"opsconductor:run:{self.run_id}:over"

    @property
    def events(self) -> str:
        """The stream."""
        return f"{self.channel}:events"

    @property
    def lease(self) -> str:
        """Held by the process that runs it."""
        return f"{self.channel}:lease"

    @property
    def cancel(self) -> str:
        """Set by who wants it ended."""
        return f"{self.channel}:cancel"

    @property
    def sent(self) -> str:
        """Set by who sends it, before sending."""
        return f"{self.channel}:sent"

    @property
    def deaths(self) -> str:
        """How many processes that ran this try have died."""
        return f"{self.channel}:deaths"

    @property
    def celery(self) -> str:
        """Celery's own key and channel for the state of the task."""
        return f"celery-task-meta-{self.task_id}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker took the run."""

    worker: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The worker could not run it at all."""

    message: str


Entry = Claim | Event | Report | Refusal
Fields = dict[str, str]


def written(entry: Entry, number: int = 0) -> Fields:
    """An entry as the fields of the stream; events are numbered, lest one be missing unseen."""
    match entry:
        case Claim():
            return {"claim": entry.worker}
        case Event():
            return {"event": json.dumps(bounded(entry).to_json()), "number": str(number)}
        case Report():
            return {"report": fitted(entry)}
        case Refusal():
            return {"refusal": entry.message}


def read(fields: Mapping[str, str]) -> Entry | None:
    """The entry of some fields; None when a newer version wrote what this one doesn't know."""
    match fields:
        case {"event": text}:
            return Event.from_json(json.loads(text))
        case {"claim": worker}:
            return Claim(worker)
        case {"report": text}:
            return Report.model_validate_json(text)
        case {"refusal": message}:
            return Refusal(message)
        case _:
            return None


def after(id: str) -> str:
    """The smallest id beyond one. (Redis before 6.2 knows no exclusive ranges.)"""
    moment, _, number = id.partition("-")
    return f"{moment}-{int(number) + 1}"


def is_last(fields: Mapping[str, str]) -> bool:
    """Whether nothing comes after an entry with these fields."""
    return "report" in fields or "refusal" in fields


def bounded(event: Event) -> Event:
    """The event with no more text than goes into an entry; bounded again, it stays the same."""
    if len(event.text) <= LONGEST_TEXT + ROOM_FOR_A_NOTE:
        return event
    left_out = len(event.text) - LONGEST_TEXT
    return replace(event, text=f"{event.text[:LONGEST_TEXT]}… ({left_out} more characters)")
