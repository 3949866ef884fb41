"""The view of a run that goes on."""

import io
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.progress import Progress
from steps.events import Event

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def shown(*events: Event, terminal: bool = False) -> str:
    """What these events look like."""
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=terminal, color_system=None, width=100, markup=False, emoji=False
    )
    progress = Progress(console)
    for event in events:
        progress(event)
    return stream.getvalue()


def test_a_step_from_start_to_end() -> None:
    """What is kept, start, output, retry and end each have a line; the end says how long it took."""
    text = shown(
        Event("kept", "", text="copy, pack [0]", time=BEGIN),
        Event("started", "usage", time=BEGIN, position="step 1 of 2"),
        Event("line", "usage", text="91%", stream="stdout", time=BEGIN),
        Event("retrying", "usage", text="exit code 1", time=BEGIN),
        Event("ended", "usage", status="succeeded", time=BEGIN + timedelta(seconds=2.04)),
    )
    assert text.splitlines() == [
        "  Kept from before: copy, pack [0]",
        "  usage started (step 1 of 2)",
        "  usage | 91%",
        "↻ usage is tried again: exit code 1",
        "✓ usage succeeded in 2.0 s",
    ]


def test_a_failure_says_why() -> None:
    """The line of a failed step holds the reason."""
    text = shown(
        Event("started", "clean", time=BEGIN),
        Event("ended", "clean", status="failed", text="exit code 2", time=BEGIN + timedelta(seconds=1)),
    )
    assert text.splitlines()[-1] == "✗ clean failed in 1.0 s: exit code 2"


def test_targets_and_items_are_told_apart() -> None:
    """A step that runs on several targets has a line for each, with its own time."""
    text = shown(
        Event("started", "ping", place="on a.localhost", time=BEGIN),
        Event("started", "ping", place="on b.localhost", time=BEGIN + timedelta(seconds=1)),
        Event("ended", "ping", place="on b.localhost", status="succeeded", time=BEGIN + timedelta(seconds=3)),
        Event("ended", "ping", place="on a.localhost", status="succeeded", time=BEGIN + timedelta(seconds=3)),
    )
    assert text.splitlines()[2:] == [
        "✓ ping on b.localhost succeeded in 2.0 s",
        "✓ ping on a.localhost succeeded in 3.0 s",
    ]


def test_an_end_without_a_start() -> None:
    """A step that ended without having begun is shown without a time."""
    assert shown(Event("ended", "x", status="cancelled", text="cancelled")) == "■ x cancelled: cancelled\n"


def test_a_terminal_shows_what_runs_and_leaves_only_lines() -> None:
    """While the view is shown the running steps stand below the lines; afterwards the lines remain."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=60, height=20)
    progress = Progress(console)
    for number in range(20):
        progress(Event("started", f"step_{number}"))
    with console.capture() as capture:
        console.print(progress)
    running = capture.get().splitlines()
    assert [line.split()[1] for line in running[:12]] == [f"step_{number}" for number in range(12)]
    assert running[12].strip() == "and 8 more"
    with progress.shown():
        progress(Event("ended", "step_0", status="succeeded"))
    assert "✓ step_0 succeeded" in stream.getvalue()


def test_messages_among_the_lines() -> None:
    """What the command says in between is a line of its own; a process that leaves shows the cursor again."""
    stream = io.StringIO()
    progress = Progress(Console(file=stream, force_terminal=True, color_system=None, width=60))
    progress.say("Cancelling\x1b[2J")
    progress.abandoned("Leaving")
    assert stream.getvalue() == "Cancelling\nLeaving\n\x1b[?25h"


@given(st.text(), st.text(), st.sampled_from(["started", "line", "retrying", "ended", "kept"]), st.booleans())
def test_hostile_names_and_lines_are_only_text(name: str, text: str, kind: str, terminal: bool) -> None:
    """Nothing in a name or an output line is taken for markup or for a terminal's sequence."""
    output = shown(Event(kind, name, text=text, status="failed"), terminal=terminal)  # type: ignore[arg-type]
    assert "\x1b" not in output
    assert "\x07" not in output
