"""Events travel as JSON and name their place as people do."""

import json
from datetime import UTC
from typing import get_args

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
    place=st.text(),
)


@given(EVENTS)
def test_they_survive_the_journey(event: Event) -> None:
    """Text and back."""
    arrived = Event.from_json(json.loads(json.dumps(event.to_json())))
    assert arrived == event


@pytest.mark.parametrize(("place", "label"), [("", "usage"), ("[2]", "usage [2]"), ("on a", "usage on a")])
def test_labels(place: str, label: str) -> None:
    """The step, and where it was."""
    assert Event("started", "usage", place=place).label == label


def test_an_event_of_before_there_were_places() -> None:
    """It has none, and is read all the same."""
    data = Event("started", "usage", index=2).to_json()
    del data["place"]
    assert Event.from_json(data).index == 2
