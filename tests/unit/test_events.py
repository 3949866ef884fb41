"""Events travel as JSON and name their place as people do."""

import json
from datetime import UTC
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.events import Event, Stream

EVENTS = st.builds(
    Event,
    kind=st.sampled_from(["started", "line", "retrying", "ended"]),
    step=st.text(),
    index=st.none() | st.integers(0, 10_000),
    target=st.none() | st.text(),
    text=st.text(),
    stream=st.sampled_from(get_args(Stream)),
    status=st.text(),
    time=st.datetimes(timezones=st.just(UTC)),
)


@given(EVENTS)
def test_they_survive_the_journey(event: Event) -> None:
    """Text and back."""
    arrived = Event.from_json(json.loads(json.dumps(event.to_json())))
    assert arrived == event


@pytest.mark.parametrize(
    ("place", "label"),
    [
        ({}, "usage"),
        ({"index": 2}, "usage [2]"),
        ({"index": 0, "target": "web-1"}, "usage on web-1"),
    ],
)
def test_labels(place: dict[str, Any], label: str) -> None:
    """By target where there is one, else by position."""
    assert Event("started", "usage", **place).label == label
