"""How far a run is, told as its steps start."""

from typing import Any

from codegen.document import parse
from steps.events import Event
from steps.interpreter import interpret


async def told(*steps: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    """The starts of a run, each with its position."""
    heard: list[Event] = []
    document = parse({"name": "n", "steps": list(steps), **more})
    await interpret(document, run_id="r", listener=heard.append).run()
    return [(event.label, event.position) for event in heard if event.kind == "started"]


def command(id: str, text: str = "true", **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "command", "command": text, **more}


async def test_a_step_counts_once_and_one_that_is_skipped_too() -> None:
    """However many executions it has, and wherever it stands; what is done about failures is not counted."""
    steps = (
        command("a", for_each=[1, 2]),
        command("b", when="false"),
        {"id": "g", "type": "sequential", "steps": [command("c"), command("d", "exit 1")]},
        command("e"),
    )
    assert await told(*steps, on_failure=[command("tell")]) == [
        ("a [0]", "step 1 of 5"),
        ("a [1]", "step 1 of 5"),
        ("c", "step 3 of 5"),
        ("d", "step 4 of 5"),
        ("tell", ""),
    ]


async def test_steps_of_another_document_are_a_part_of_one() -> None:
    """Its own count would read as if it were that of the whole run."""
    call = {"id": "call", "type": "workflow", "workflow": "inner"}
    inner = {"name": "inner", "steps": [command("x"), command("y")]}
    assert await told(call, command("z"), workflows={"inner": inner}) == [
        ("call", "step 1 of 2"),
        ("call/x", ""),
        ("call/y", ""),
        ("z", "step 2 of 2"),
    ]


def test_an_event_of_a_newer_version_is_read() -> None:
    """Without what this one doesn't know."""
    event = Event("started", "a", position="step 1 of 2")
    assert Event.from_json(event.to_json() | {"colour": "red"}) == event
