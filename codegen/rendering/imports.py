"""What a generated file imports, and which lint rules its data can't obey."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from codegen.document import canonical
from codegen.groups import Group, Step
from codegen.leaves import Leaf
from codegen.rendering.context import Flow, Import
from codegen.rendering.tasks import EXECUTORS
from codegen.source import LINE
from codegen.workflow import Workflow

_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - looked for, not written to
_OPTIONAL = frozenset(
    {"Annotated", "Literal", "Field", "AsGiven", "Only", "Repeat", "Retry", "SecretName", "arguments"}
)
_PASSWORD = re.compile(r"pas+wo?r?d|pass(?:phrase)?|pwd|token|secrete?", re.IGNORECASE)


def imports(flow: Flow, steps: Iterable[Step]) -> tuple[tuple[Import, ...], ...]:
    """The imports in their groups, each only where it is needed."""
    used = frozenset[str]().union(*(parameter.uses for parameter in flow.parameters))
    used |= {"arguments"} if flow.takes_arguments else set()
    every = list(steps)
    executors = {EXECUTORS[step.type][0] for step in every if isinstance(step, Leaf)}
    if any(step.failed_when or step.succeeded_when for step in every):
        executors.add("judged")
    if any(step.repeat for step in every):
        used |= {"Repeat"}
    if any(step.retry for step in every if isinstance(step, Group)):
        used |= {"Retry"}
    groups = (
        (Import("asyncio"), Import("typing", ("Annotated", "Any", "Literal"))),
        (Import("prefect", ("flow", "task")), Import("pydantic", ("Field",))),
        (
            Import("flows.parallel", ("Repeat", "Retry", "Run")),
            Import("flows.parameters", ("AsGiven", "Only", "SecretName", "arguments")),
            Import("steps", ("Outcome", "Scope", *sorted(executors))),
        ),
    )
    return tuple(tuple(_needed(group, used)) for group in groups)


def _needed(group: Iterable[Import], used: frozenset[str]) -> Iterator[Import]:
    for module in group:
        names = tuple(name for name in module.names if name not in _OPTIONAL or name in used)
        if names or not module.names:
            yield Import(module.module, names)


def exemptions(workflow: Workflow, flow: Flow) -> tuple[str, ...]:
    """Lint rules that judge texts or names which are the document's to choose."""
    found = set()
    for text in _strings(canonical(workflow)):
        if not text.isascii():
            found |= {"RUF001", "RUF002"}
        if text.startswith(_TEMPORARY):
            found.add("S108")
        if text in ("0.0.0.0", "::"):  # noqa: S104 - looked for, not bound
            found.add("S104")
    if any(len(word) > LINE // 2 for one in workflow.parameters.values() for word in one.description.split()):
        found.add("E501")
    for parameter in flow.parameters:
        if parameter.name != parameter.name.lower():
            found.add("N803")
        if parameter.default and _PASSWORD.search(parameter.name):
            found.add("S107")
    return tuple(sorted(found | {"RUF100"})) if found else ()


def _strings(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from _strings(value)
    elif isinstance(data, list):
        for item in data:
            yield from _strings(item)
