"""The steps that touch nothing outside: set, fail, stop, wait, validation, notification to the log."""

from datetime import UTC, datetime
from typing import Any

import pytest

from steps import StepFailed, fail, notification, set_values, stop, validation, wait
from steps.errors import StepTimedOut
from steps.scope import Scope, Surroundings
from steps.testing import Recorder


def scope(recorder: Recorder | None = None, **params: Any) -> Scope:
    return Scope(Surroundings(run_id="r", name="n", params=params, listener=recorder or Recorder()), "a")


async def test_set_gives_its_values_as_result_and_outputs() -> None:
    """Types are kept, texts with templates in them are filled in, at any depth."""
    outcome = await set_values(
        scope(x=2), {"sum": "{{ params.x + 1 }}", "deep": [{"text": "x={{ params.x }}"}]}
    )
    assert outcome.result == outcome.outputs == {"sum": 3, "deep": [{"text": "x=2"}]}


async def test_set_gives_json_data() -> None:
    """Tuples become lists, times texts."""
    outcome = await set_values(
        scope(pair=(1, 2), at=datetime(2026, 1, 2, tzinfo=UTC)),
        {"pair": "{{ params.pair }}", "at": "{{ params.at }}"},
    )
    assert outcome.result == {"pair": [1, 2], "at": "2026-01-02T00:00:00Z"}


async def test_set_refuses_what_is_no_json_data() -> None:
    """By the name of the value and of the type."""
    with pytest.raises(StepFailed, match="'x' is no JSON data but object"):
        await set_values(scope(x=object()), {"x": "{{ params.x }}"})


async def test_fail_fails_with_its_message() -> None:
    """Filled in."""
    with pytest.raises(StepFailed) as raised:
        await fail(scope(x=91), "{{ params.x }} percent in use")
    assert raised.value.message == "91 percent in use"


async def test_stop_says_why_and_stops() -> None:
    """The driver skips what has not started."""
    recorder = Recorder()
    outcome = await stop(scope(recorder), "nothing to do")
    assert (outcome.result, outcome.stops) == (None, True)
    assert recorder.lines("a") == ["nothing to do"]


async def test_stop_without_a_message_says_nothing() -> None:
    """No empty line."""
    recorder = Recorder()
    await stop(scope(recorder))
    assert recorder.events == []


async def test_wait_gives_nothing() -> None:
    """It only lets time pass."""
    assert (await wait(scope(), 0.001)).result is None


async def test_wait_ends_at_its_timeout() -> None:
    """As every step does."""
    with pytest.raises(StepTimedOut, match="timed out after 10ms"):
        await wait(scope(), 3600.0, timeout=0.01)


async def test_validation_counts_what_it_checked() -> None:
    """One expression or several."""
    assert (await validation(scope(x=1), "params.x == 1")).result == {"checked": 1}
    assert (await validation(scope(x=1), ["params.x", "params.x < 2"])).result == {"checked": 2}


async def test_validation_names_everything_that_is_not_true() -> None:
    """All of it at once."""
    with pytest.raises(StepFailed) as raised:
        await validation(scope(x=1), ["params.x > 1", "params.x == 1", "not params.x"])
    assert raised.value.message == "not true: params.x > 1; not params.x"
    assert raised.value.result == {"checked": 3, "failed": ["params.x > 1", "not params.x"]}


async def test_validation_says_its_own_message() -> None:
    """Where the author gave one."""
    with pytest.raises(StepFailed, match="1 is too small"):
        await validation(scope(x=1), "params.x > 1", message="{{ params.x }} is too small")


async def test_validation_that_cannot_be_evaluated_fails() -> None:
    """It is not simply false."""
    with pytest.raises(StepFailed, match="nothing"):
        await validation(scope(), "params.nothing")


async def test_notification_to_the_log() -> None:
    """Is a line of the run."""
    recorder = Recorder()
    outcome = await notification(scope(recorder, x=1), "x is {{ params.x }}")
    assert outcome.result == {"channel": "log", "message": "x is 1"}
    assert recorder.lines("a") == ["x is 1"]


@pytest.mark.parametrize("channel", ["webhook", "ops"])
async def test_notification_over_a_channel_that_cannot_be_used(channel: str) -> None:
    """No such channel, or a webhook without an address."""
    with pytest.raises(
        StepFailed, match=f"channel '{channel}' can't be used; use log, or webhook with a url"
    ):
        await notification(scope(), "x", channel=channel)
