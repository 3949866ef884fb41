"""A workflow document as the source of a Prefect flow.

    source = render(workflow, file="disk_check.yaml")

The same document gives the same bytes, whenever and wherever it is rendered.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import PurePath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from codegen.document import digest
from codegen.errors import DocumentError
from codegen.expressions import parse_expression, parse_template
from codegen.lists import every_step, fan_outs
from codegen.naming import Names, names_of, title
from codegen.parameters import secret_parameters
from codegen.rendering.body import Body, body, leaves_as_written
from codegen.rendering.context import Argument, Call, Flow, Module
from codegen.rendering.formatting import formatted as laid_out
from codegen.rendering.imports import exemptions, imports
from codegen.rendering.signature import brings_workflows, constants, flow_docstring, parameters
from codegen.rendering.tasks import task, whole
from codegen.source import docstring, literal, prose
from codegen.sub_workflows import documents, within
from codegen.support import unsupported
from codegen.texts import Written, texts
from codegen.workflow import Workflow

GENERATOR_VERSION = "0.1.0"


def render(workflow: Workflow, *, file: str = "", formatted: bool = True) -> str:
    """The Python source of a document's flow. `file` is named in its first line.

    DocumentError names what this version can't run. Unformatted source means the same and costs less.
    """
    problems = tuple(
        within(library.path, problem)
        for document, library in documents(workflow)
        for problem in unsupported(document)
    )
    if problems:
        raise DocumentError(problems)
    module = _module(workflow, names_of(workflow), file)
    source = _template().render({name: getattr(module, name) for name in Module.__slots__})
    return laid_out(source) if formatted else source


def flow_name(workflow: Workflow) -> str:
    """The name of the flow's function, for `prefect deploy FILE.py:NAME`."""
    return names_of(workflow).flow


def flow_arguments(workflow: Workflow, values: Mapping[str, Any], targets: Iterable[str]) -> dict[str, Any]:
    """The arguments that the flow's function takes for a run with these parameter values and targets."""
    names = names_of(workflow)
    arguments = {names.parameters[name]: value for name, value in values.items()}
    return arguments | ({"targets": tuple(targets)} if uses_targets(workflow) else {})


def uses_targets(workflow: Workflow) -> bool:
    """Whether a run's targets make a difference to the document."""
    steps = list(every_step(workflow))
    if any(step.on is not None and (step.on == "targets" or "{" in step.on) for _, step in steps):
        return True
    written = (text for path, step in steps for text in texts(path, step, frozenset()))
    outputs = (Written("outputs", "template", text) for text in workflow.outputs.values())
    return any(map(_names_targets, written)) or any(map(_names_targets, outputs))


def _names_targets(written: Written) -> bool:
    if "targets" not in written.text:
        return False
    parse = parse_expression if written.kind == "expression" else parse_template
    return "targets" in parse(written.text).names


def _module(workflow: Workflow, names: Names, file: str) -> Module:
    steps = [step for _, step in every_step(workflow)]
    leaves = leaves_as_written((*workflow.steps, *workflow.on_failure, *workflow.finally_))
    depths = fan_outs(workflow)
    with_targets = uses_targets(workflow)
    content = body(workflow, names)
    flow = _flow(workflow, names, content, with_targets)
    return Module(
        version=GENERATOR_VERSION,
        file=_shown(file),
        digest=digest(workflow),
        exemptions=exemptions(workflow, flow),
        docstring=docstring(prose(_summary(workflow))),
        imports=imports(flow, steps),
        constants=constants(workflow, names),
        tasks=tuple(task(step, names.steps[step.id], fans_out=depths[step.id] > 0) for step in leaves),
        helpers=content.helpers,
        flow=flow,
    )


def _flow(workflow: Workflow, names: Names, content: Body, with_targets: bool) -> Flow:
    run = [Argument(literal(workflow.name, 8))]
    run += _values(workflow, names)
    if with_targets:
        run.append(Argument("targets", "targets"))
    if workflow.timeout is not None:
        run.append(Argument(literal(whole(workflow.timeout)), "timeout"))
    if workflow.requires_approval:
        run.append(Argument("True", "requires_approval"))
    if brings_workflows(workflow):
        run.append(Argument("WORKFLOWS", "workflows"))
    return Flow(
        function=names.flow,
        title=literal(title(workflow.name), 9),
        parameters=parameters(workflow, names, with_targets=with_targets),
        docstring=flow_docstring(prose(_summary(workflow), 4), workflow, names, 4),
        run=Call("Run", tuple(run)),
        body=content.statements,
        outputs=literal(workflow.outputs, 8) if workflow.outputs else None,
        takes_arguments=any(parameter.required for parameter in workflow.parameters.values()),
    )


def _values(workflow: Workflow, names: Names) -> Iterator[Argument]:
    """The values of the parameters, and apart from them the names of secrets."""
    secret = secret_parameters(workflow.parameters)
    for key, wanted in (("params", False), ("secret_params", True)):
        given = [name for name in workflow.parameters if (name in secret) is wanted]
        if given:
            pairs = ", ".join(f"{literal(name)}: {names.parameters[name]}" for name in given)
            yield Argument(f"{{{pairs}}}", key)


def _summary(workflow: Workflow) -> str:
    return workflow.description.strip() or title(workflow.name)


def _shown(file: str) -> str:
    """A file's name, without its folder, as it may stand in a comment."""
    return re.sub(r"[^A-Za-z0-9._+ -]", "?", PurePath(file).name)[:60]


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("codegen.rendering"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Python, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("flow.py.j2")
