"""What will run, but perhaps not as meant."""

from collections.abc import Iterator

from codegen.checking.graph import Graph, Place, places
from codegen.checking.order_checks import FINALLY, connect
from codegen.checking.start_checks import never_started, never_there
from codegen.checking.starts import Starts
from codegen.errors import Problem
from codegen.groups import Step
from codegen.leaves import CeleryTask, Leaf, Script, own_fields
from codegen.mentions import of_expression, of_template
from codegen.parameters import secret_parameters
from codegen.reading.salvage import Lost
from codegen.secret_use import PARAMS, SECRETS, named_parameters, named_secrets, shows_on_command_line
from codegen.sub_workflows import documents, within
from codegen.suggestions import Suggestions
from codegen.texts import NOWHERE, Written, fans_out, texts
from codegen.workflow import Workflow


def warnings(workflow: Workflow) -> tuple[Problem, ...]:
    """What will run, but perhaps not as meant, in the document and in those that it holds."""
    return tuple(
        within(library.path, problem)
        for document, library in documents(workflow)
        for problem in _in_one(document, is_held=bool(library.path))
    )


def _in_one(workflow: Workflow, *, is_held: bool) -> Iterator[Problem]:
    steps = places(workflow)
    tolerated = {place.node.id for place in steps if place.node.tolerated}
    secret = secret_parameters(workflow.parameters)
    graph = Graph(steps)
    connect(graph, Lost(), Suggestions())
    starts = Starts(graph)
    idle = [*never_started(graph, starts)]
    never = {problem.path for problem in idle}
    yield from idle
    yield from never_there(workflow, graph, starts)
    for place in steps:
        yield from _doubts(place, tolerated if place.path not in never else set())
        yield from _visible_secrets(place, secret)
    if all(not step.enabled for step in workflow.steps):
        yield Problem("steps", "every step is disabled, so a run does nothing", "enable one")
    if not workflow.targets and not is_held:  # one that is held may be given some by each step that runs it
        message, cure = "the document names no targets", "add targets, or bring some to the run"
        yield from (
            Problem(f"{place.path}.on", message, cure) for place in steps if place.step.on == "targets"
        )


def _doubts(place: Place, tolerated: set[str]) -> Iterator[Problem]:
    yield from _doubtful_texts(place)
    yield from _doubtful_order(place, tolerated)
    step = place.step
    if isinstance(step, CeleryTask) and step.timeout is None and not step.ignore_result:
        yield Problem(
            place.path,
            "without a timeout it waits for ever where no worker takes the task, or none tells of its end",
            "add a timeout",
        )
    if step.max_parallel is not None and not fans_out(step):
        yield Problem(
            f"{place.path}.max_parallel",
            "it limits targets or items, and this step has neither on nor for_each",
            "leave it out",
        )
    if step.continue_on_error and step.on_error is not None and step.on_error.recover:
        yield Problem(
            f"{place.path}.continue_on_error",
            "this step recovers from its failure; this tolerates the failure of its on_error steps too",
            "leave it out unless that is meant",
        )


def _doubtful_texts(place: Place) -> Iterator[Problem]:
    for written in texts(place.path, place.step, NOWHERE):
        if written.kind == "shell" and of_template(written.text).uses_raw:
            yield Problem(
                written.path, "'| raw' puts a value into the shell unquoted", "leave it out unless it must be"
            )
        if place.section == FINALLY and _takes_an_error_for_given(written, place.step):
            yield Problem(
                written.path,
                "after a success there is no error, and this step would fail",
                "add when: error, or write error.message | default('none')",
            )
    step = place.step
    if isinstance(step, Script) and step.language == "python" and of_template(step.script).names:
        yield Problem(
            f"{place.path}.script",
            "values are pasted into this Python script as they are",
            "hand them over as args or env instead",
        )


def _visible_secrets(place: Place, secret: frozenset[str]) -> Iterator[Problem]:
    if not isinstance(place.step, Leaf):
        return
    kind: type[Leaf] = type(place.step)
    for key, value in own_fields(place.step).items():
        if shows_on_command_line(kind, key):
            given = {key: value}
            named = [(name, SECRETS) for name in sorted(named_secrets(kind, given))]
            named += [(name, PARAMS) for name in sorted(named_parameters(kind, given, secret))]
            for name, root in named:
                yield Problem(
                    f"{place.path}.{key}",
                    f'the secret "{name}" stands on a command line, which others on the machine can read',
                    f'hand it over by env: {{{name.upper()}: "{{{{ {root}.{name} }}}}"}}',
                )


def _doubtful_order(place: Place, tolerated: set[str]) -> Iterator[Problem]:
    node = place.node
    if node.run_if == "failed" and not node.after:
        yield Problem(
            f"{place.path}.run_if",
            "it waits for no step, so none can have failed: it is always skipped",
            "add depends_on, or write run_if: finished",
        )
    if node.run_if == "succeeded" and node.join == "all":
        yield from (
            Problem(
                place.path,
                f'this step is blocked if "{name}" fails, although "{name}" has continue_on_error',
                "write run_if: finished to run it anyway",
            )
            for name in node.after
            if name in tolerated
        )


def _takes_an_error_for_given(written: Written, step: Step) -> bool:
    asked = step.when is not None and "error" in of_expression(step.when).names
    read = of_expression if written.kind == "expression" else of_template
    guarded = "default" in written.text or "error is " in written.text or "if error" in written.text
    return (
        written.when != "after"
        and not asked
        and not guarded
        and any(path[0] == "error" and path[1:] for path in read(written.text).paths)
    )
