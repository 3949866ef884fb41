"""What waits to be sent: in order, bounded, and honest about gaps."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from celery_bridge.backlog import Backlog
from celery_bridge.channel import Entry
from steps.events import Event


def line(number: int) -> Event:
    return Event("line", "a", text=str(number), stream="stdout")


def started(number: int) -> Event:
    return Event("started", f"s{number}")


def told(entries: list[Entry]) -> list[str]:
    return [entry.text or entry.step for entry in entries if isinstance(entry, Event)]


@given(st.lists(st.booleans(), max_size=40))
def test_it_keeps_the_newest_lines_and_all_else(kinds: list[bool]) -> None:
    """Of lines the last five; starts and ends all; in their order; a note where lines are missing."""
    backlog = Backlog(most_lines=5)
    entries = [line(number) if is_line else started(number) for number, is_line in enumerate(kinds)]
    for entry in entries:
        backlog.add(entry)
    lines = [entry for entry in entries if entry.kind == "line"]
    kept = [entry for entry in entries if entry.kind != "line" or entry in lines[-5:]]
    taken = backlog.take()
    notes = [entry for entry in taken if entry not in kept]
    assert [entry for entry in taken if entry in kept] == kept
    if len(lines) > 5:
        assert told(notes) == [f"… {len(lines) - 5} lines left out: they came too fast to be sent"]
        assert taken.index(notes[0]) == taken.index(lines[-5]) - 1
    else:
        assert notes == []
    assert backlog.take() == []


def test_the_runs_own_words_stay() -> None:
    """Only what programs write is left out where there is too much."""
    backlog = Backlog(most_lines=2)
    backlog.add(Event("line", "a", text="All of stdout: there"))
    for number in range(5):
        backlog.add(line(number))
    assert told(backlog.take())[0] == "All of stdout: there"


def test_everything_is_bounded() -> None:
    """Even starts and ends, when the server is away for a long time: the oldest go."""
    backlog = Backlog(most_entries=10)
    for number in range(25):
        backlog.add(started(number))
    assert told(backlog.take()) == [f"s{number}" for number in range(15, 25)]


def test_a_dropped_line_is_not_dropped_twice() -> None:
    """Both bounds at work at once leave as many as they say."""
    backlog = Backlog(most_lines=3, most_entries=4)
    for number in range(20):
        backlog.add(line(number))
        backlog.add(started(number))
    taken = told(backlog.take())
    assert taken == ["18", "s18", "19", "s19"] or taken[0].startswith("… ")
    assert taken[-4:] == ["18", "s18", "19", "s19"]


def test_threads_may_add() -> None:
    """What each thread adds stays in its order, and nothing gets lost."""
    backlog = Backlog(most_lines=10_000)

    def add(name: str) -> None:
        for number in range(1000):
            backlog.add(Event("line", name, text=str(number)))

    threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [entry for entry in backlog.take() if isinstance(entry, Event)]
    for name in "abcd":
        assert [entry.text for entry in taken if entry.step == name] == list(map(str, range(1000)))
