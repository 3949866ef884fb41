"""What a worker stores of a task in the result backend, as this end reads it."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kombu.utils import json as celery_json

from steps.task_service import Ended, Raised

LARGEST = 1024 * 1024
"""Bytes of a result. More belongs into a file or a database, and its address into the result."""
READY = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
_HINTS = {
    "NotRegistered": "the worker that took it knows no task of that name; import its module there, or name "
    "another queue",
    "WorkerLostError": "the process that ran it died",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A state, the worker that told it where that is known, and how it ended, once it has."""

    state: str
    worker: str | None = None
    ended: Ended | None = None


def key_of(id: str) -> str:
    """Celery's key for a task, and the channel on which it publishes what it stores there."""
    return f"celery-task-meta-{id}"


def read(payload: str) -> Stored:
    """What is stored. A result that is none of ours to read is the end, with an error that says so."""
    if len(payload) > LARGEST:
        return _unreadable(f"its result has {len(payload):,} characters, and at most {LARGEST:,} are taken")
    try:
        stored = json.loads(payload)
        state, result = str(stored["status"]), stored.get("result")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return _unreadable("its result is not stored as JSON; set result_serializer = 'json' in its app")
    details = result if isinstance(result, dict) else {}
    worker = stored.get("worker") or (details.get("hostname") if state not in READY else None)
    if state == "SUCCESS":
        return Stored(state, worker, Ended(state, _value(payload, result), worker))
    if state in READY:
        return Stored(state, worker, Ended(state, None, worker, _raised(state, details, stored)))
    return Stored(state, worker)


def _value(payload: str, plain: Any) -> Any:
    """With the types that Celery writes into JSON, such as moments; it builds no others."""
    with suppress(
        ValueError, TypeError, ArithmeticError, RecursionError
    ):  # something of the app's own looks like one
        return celery_json.loads(payload).get("result")  # type: ignore[no-untyped-call]
    return plain


def _raised(state: str, details: dict[str, Any], stored: dict[str, Any]) -> Raised:
    kind = str(details.get("exc_type") or state)
    message = _text(details.get("exc_message"))
    hint = _HINTS.get(kind, "")
    if state == "REVOKED" and message in ("expired", ""):
        hint = "no worker began it in time" if message else "somebody revoked it"
    said = f"{message} ({hint})" if message and hint else message or hint
    return Raised(kind, said, str(stored.get("traceback") or ""))


def _text(message: Any) -> str:
    if isinstance(message, list | tuple):
        return ", ".join(map(str, message))
    return "" if message is None else str(message)


def _unreadable(why: str) -> Stored:
    return Stored("UNREADABLE", None, Ended("UNREADABLE", error=Raised("UnreadableResult", why)))
