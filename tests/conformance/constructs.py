"""How often documents use each construct of the language."""

from collections import Counter
from collections.abc import Iterable, Iterator

from codegen.groups import Parallel, Step, Switch
from codegen.leaves import Leaf
from codegen.lists import every_step
from codegen.step import StepBase
from codegen.support import NOT_BUILT_STEP_KEYS, NOT_BUILT_WORKFLOW_KEYS, RUNNABLE
from codegen.workflow import Workflow

NOT_COMPARED = frozenset(
    {
        "type approval",
        "type emit",
        "type listen",
        "key requires_approval",
        "document requires_approval",
        "document triggers",
        "key rollout",
    }
)
"""What needs Prefect, starts runs, or is not built."""
_FOR_PEOPLE = frozenset({"id", "risk", "effects", "description"})
_OF_DOCUMENTS = frozenset(
    {"timeout", "outputs", "concurrency", "workflows", "on_failure", "finally_", "targets"}
)
"""Without `defaults`, which are in the steps once a document is read."""
_MANNERS = (
    "join any",
    "join number",
    "run_if failed",
    "run_if finished",
    "wait_for any",
    "wait_for number",
    "for_each expression",
    "on and for_each",
    "repeat until",
    "repeat while",
    "on_error recover",
    "on_error when",
    "switch default",
    "group on",
    "group for_each",
    "group retry",
    "group repeat",
    "group timeout",
    "group outputs",
    "group on_error",
    "group rollback",
)


def known() -> frozenset[str]:
    """What this version runs, but for what can't be compared."""
    keys = StepBase.model_fields.keys() - set(NOT_BUILT_STEP_KEYS) - _FOR_PEOPLE
    documents = _OF_DOCUMENTS - set(NOT_BUILT_WORKFLOW_KEYS)
    return (
        frozenset(f"type {kind}" for kind in RUNNABLE)
        | {f"key {key}" for key in keys}
        | {f"document {key}" for key in documents}
        | set(_MANNERS)
    ) - NOT_COMPARED


def counted(workflows: Iterable[Workflow]) -> Counter[str]:
    """In how many steps, or documents, each construct is; documents inside others are counted like them."""
    found = Counter(dict.fromkeys(known(), 0))
    for workflow in workflows:
        found.update(one for one in _constructs(workflow) if one in found)
    return found


def table(found: Counter[str]) -> str:
    """The counts as lines, in three columns."""
    cells = [f"{construct:<22}{number:>7}" for construct, number in sorted(found.items())]
    height = -(-len(cells) // 3)
    return "\n".join("    ".join(cells[row::height]) for row in range(height))


def _constructs(workflow: Workflow) -> Iterator[str]:
    yield from (f"document {key}" for key in workflow.model_fields_set)
    for _, step in every_step(workflow):
        yield f"type {step.type}"
        yield from (f"key {key}" for key in step.model_fields_set)
        yield from _manners(step)
    for inside in workflow.workflows.values():
        yield from _constructs(inside)


def _manners(step: Step) -> Iterator[str]:
    """The ways in which keys are used that mean something of their own."""
    yield f"join {step.join if isinstance(step.join, str) else 'number'}"
    yield f"run_if {step.run_if}"
    if isinstance(step, Parallel):
        yield f"wait_for {step.wait_for if isinstance(step.wait_for, str) else 'number'}"
    if isinstance(step, Switch) and step.default:
        yield "switch default"
    if isinstance(step.for_each, str):
        yield "for_each expression"
    if step.on is not None and step.for_each is not None:
        yield "on and for_each"
    if step.repeat is not None:
        yield "repeat while" if step.repeat.until is None else "repeat until"
    if step.on_error is not None:
        yield from (f"on_error {key}" for key in ("recover", "when") if getattr(step.on_error, key))
    if not isinstance(step, Leaf):
        yield from (f"group {key}" for key in step.model_fields_set)
