"""What Celery's workers store, as it is read here."""

import json
from typing import Any

import pytest

from celery_bridge.stored_state import LARGEST, read
from steps.task_service import Ended, Raised


def meta(state: str, result: Any = None, **more: Any) -> str:
    return json.dumps({"status": state, "result": result, "traceback": None, "children": [], **more})


@pytest.mark.parametrize("state", ["PENDING", "STARTED", "RETRY", "PROGRESS"])
def test_what_has_not_ended(state: str) -> None:
    """Where the worker tells its name, that is known."""
    stored = read(meta(state, {"pid": 1, "hostname": "celery@a"}))
    assert (stored.state, stored.worker, stored.ended) == (state, "celery@a", None)


@pytest.mark.parametrize("value", [None, 0, "", [1, {"a": None}], {"hostname": "x"}])
def test_what_was_returned(value: Any) -> None:
    """As it is, also where it looks like something of Celery's."""
    assert read(meta("SUCCESS", value)).ended == Ended("SUCCESS", value)


def raised(kind: str, message: Any) -> dict[str, Any]:
    return {"exc_type": kind, "exc_message": message, "exc_module": "builtins"}


@pytest.mark.parametrize(
    ("payload", "type", "message"),
    [
        (meta("FAILURE", raised("ValueError", ["no", 7])), "ValueError", "no, 7"),
        (meta("FAILURE", raised("ValueError", [])), "ValueError", ""),
        (meta("FAILURE", raised("E", "no")), "E", "no"),
        (meta("FAILURE"), "FAILURE", ""),
        (meta("REVOKED", raised("TaskRevokedError", ["expired"])), "TaskRevokedError", "expired (no worker"),
        (meta("REVOKED"), "REVOKED", "somebody revoked it"),
        (meta("FAILURE", raised("NotRegistered", ["x"])), "NotRegistered", "x (the worker that took it"),
    ],
)
def test_what_was_raised(payload: str, type: str, message: str) -> None:
    """Type and message, with a hint where Celery's words say little."""
    ended = read(payload).ended
    assert ended is not None
    assert ended.error is not None
    assert ended.error.type == type
    assert ended.error.message.startswith(message)


def test_the_traceback() -> None:
    """As the worker wrote it."""
    ended = read(meta("FAILURE", raised("E", ["no"]), traceback="Traceback: no")).ended
    assert ended == Ended("FAILURE", error=Raised("E", "no", "Traceback: no"))


@pytest.mark.parametrize(
    "payload", ["\x80\x04pickled", "", "[]", "{}", "3", "null", "[" * 100_000, '{"result": 1}']
)
def test_what_is_no_json_of_celerys(payload: str) -> None:
    """It is an end, which says what to set."""
    ended = read(payload).ended
    assert ended is not None
    assert ended.error is not None
    assert "result_serializer = 'json'" in ended.error.message


def test_what_is_too_large() -> None:
    """It is an end, too."""
    ended = read(meta("SUCCESS", "x" * LARGEST)).ended
    assert ended is not None
    assert ended.error is not None
    assert "at most" in ended.error.message


@pytest.mark.parametrize("kind", ["os.system", "datetime", "decimal", "uuid", 7])
def test_no_class_is_built_from_what_is_stored(kind: Any) -> None:
    """A mapping that names one stays a mapping, or is no result."""
    value = {"__type__": kind, "__value__": "true"}
    ended = read(meta("SUCCESS", value)).ended
    assert ended is not None
    assert ended.value == value
