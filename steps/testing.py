"""For authors' own tests: run a workflow in memory, with real or pretended steps, and look at what happened.

recorder = Recorder()
report = await run(workflow, leaves={"usage": Behaviour(result={"stdout": "91"})}, listener=recorder)
assert report.steps["clean"].status == "succeeded"
assert recorder.lines("tell") == ["91 percent in use"]
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from codegen.result import Report
from codegen.workflow import Workflow
from steps.acting import Actors, Behaviours
from steps.clock import VirtualClock, keeping
from steps.events import Event, Listener, ignore
from steps.executor import Executor, rehearsed
from steps.interpreter import interpret
from steps.kinds import EXECUTORS
from steps.secret_values import FromMapping, Secrets


class Recorder:
    """A listener that keeps every event."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def lines(self, step: str) -> list[str]:
        """The lines that a step wrote."""
        return [event.text for event in self.events if event.kind == "line" and event.step == step]

    def started(self) -> list[str]:
        """The executions that started, in order: `usage`, `usage on web-1`, `usage [2][0]`."""
        return [event.label for event in self.events if event.kind == "started"]


async def run(
    workflow: Workflow,
    *,
    parameters: Mapping[str, Any] | None = None,
    targets: Sequence[str] | None = None,
    executors: Mapping[str, Executor[...]] | None = None,
    leaves: Behaviours | None = None,
    listener: Listener = ignore,
    secrets: Mapping[str, str] | None = None,
) -> Report:
    """Run a workflow in this process; `executors` stand in for single types.

    With `leaves` it is a rehearsal, as in a test file: steps behave as is said there, by id, and do nothing
    otherwise, and retries and waits don't hold up the test.

    `secrets` are the only ones that there are; for rehearsed steps any are `***`.
    """
    with nullcontext() if leaves is None else _rehearsal(leaves):
        return await interpret(
            workflow,
            run_id="test",
            parameters=parameters,
            targets=targets,
            listener=listener,
            executors={**EXECUTORS, **(executors or {})},
            secrets=Secrets(FromMapping(secrets or {})),
        ).run()


@contextmanager
def _rehearsal(leaves: Behaviours) -> Iterator[None]:
    with keeping(VirtualClock()), rehearsed(Actors(leaves)):
        yield
