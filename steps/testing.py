"""For authors' own tests: run a workflow in memory, with real or pretended steps, and look at what happened.

recorder = Recorder()
report = await run(workflow, results={"usage": {"stdout": "91"}}, listener=recorder)
assert report.steps["clean"].status == "succeeded"
assert recorder.lines("tell") == ["91 percent in use"]
"""

from collections.abc import Mapping, Sequence
from typing import Any

from codegen.leaves import Command, Emit, Http, Leaf, Listen, Notification, Python, Script, Wait
from codegen.result import Report
from codegen.workflow import Workflow
from steps.acting import Actors, Behaviour
from steps.clock import VirtualClock, keeping, present
from steps.events import Event, Listener, ignore
from steps.executor import Executor, filled
from steps.interpreter import interpret
from steps.kinds import EXECUTORS
from steps.scope import Outcome, Scope
from steps.secret_values import FromMapping, Secrets

_TOUCHING: Mapping[str, type[Leaf]] = {
    "command": Command,
    "emit": Emit,
    "http": Http,
    "listen": Listen,
    "notification": Notification,
    "python": Python,
    "script": Script,
    "wait": Wait,
}


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
        """The executions that started, in order: `usage`, `usage on web-1`, `usage [2]`."""
        return [event.label for event in self.events if event.kind == "started"]


def pretending(results: Mapping[str, Any]) -> Mapping[str, Executor[...]]:
    """Executors for a test without effects: these do nothing.

    `command emit http listen notification python script wait`

    Their templates are filled in as ever. Their result is looked up by the step's id, None where it
    isn't there; an exception is raised: `{"clean": StepFailed("disk is read-only")}`; a `Behaviour`, or a
    list of them, says more: `{"flaky": Behaviour(fails=2)}`.
    """
    actors = Actors({step: result for step, result in results.items() if _is_behaviour(result)})
    pretended = {name: _pretended(model, results, actors) for name, model in _TOUCHING.items()}
    return {**EXECUTORS, **pretended}


async def run(
    workflow: Workflow,
    *,
    parameters: Mapping[str, Any] | None = None,
    targets: Sequence[str] | None = None,
    executors: Mapping[str, Executor[...]] | None = None,
    results: Mapping[str, Any] | None = None,
    listener: Listener = ignore,
    secrets: Mapping[str, str] | None = None,
) -> Report:
    """Run a workflow in this process. `results` pretends steps, `executors` stand in for single types.

    `secrets` are the only ones that there are; for pretended steps any are `***`.

    With `results` the run's time takes none: retries and waits don't hold up the test.
    """
    table = EXECUTORS if results is None else pretending(results)
    with keeping(present() if results is None else VirtualClock()):
        return await interpret(
            workflow,
            run_id="test",
            parameters=parameters,
            targets=targets,
            listener=listener,
            executors={**table, **(executors or {})},
            secrets=Secrets(FromMapping(secrets or {})),
        ).run()


def _is_behaviour(result: Any) -> bool:
    several = isinstance(result, list | tuple) and bool(result)
    return all(isinstance(one, Behaviour) for one in result) if several else isinstance(result, Behaviour)


def _pretended(model: type[Leaf], results: Mapping[str, Any], actors: Actors) -> Executor[...]:
    async def pretend(scope: Scope, /, **given: Any) -> Outcome:
        scope.attempts += 1
        values = filled(model, given, scope)
        result = results.get(scope.path)
        if _is_behaviour(result):
            return Outcome(await actors(model, pretend, scope, values))
        if isinstance(result, BaseException):
            raise result
        return Outcome(result)

    return pretend
