"""A document's parameters as the typed signature of its flow."""

import math
import re
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic_core import SchemaError

from codegen.document import canonical
from codegen.naming import Names
from codegen.parameters import Parameter
from codegen.rendering import context as text
from codegen.rendering.tasks import whole
from codegen.source import Code, columns, docstring, literal, prose
from codegen.sub_workflows import runs
from codegen.workflow import Workflow

TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list[Any]",
    "object": "dict[str, Any]",
}
_CHOICES = {"string": str, "integer": int, "boolean": bool}
_MOST_CHOICES = 50
_LONGEST_CHOICE = 60
# What Python's and Rust's regular expressions, of which pydantic uses the latter, understand differently.
_DIALECT = re.compile(r"\[\[|&&|--|~~|\\[<>]|\[\^?\[")
_FLAGS = re.compile(r"\(\?([aiLmsux]+)\)")


def parameters(workflow: Workflow, names: Names, *, with_targets: bool) -> tuple[text.Parameter, ...]:
    """The flow's parameters, those that need a value first."""
    declared = sorted(workflow.parameters.items(), key=lambda pair: not pair[1].required)
    given = [_parameter(name, parameter, names) for name, parameter in declared]
    if with_targets:
        given.append(text.Parameter("targets", "tuple[str, ...]", _tuple(workflow.targets)))
    return tuple(given)


def constants(workflow: Workflow, names: Names) -> tuple[text.Constant, ...]:
    """Defaults that are lists or mappings, and the documents that the flow runs."""
    declared = ((constant, workflow.parameters[name]) for name, constant in names.defaults.items())
    found = [
        text.Constant(constant, TYPES[parameter.type], literal(parameter.default))
        for constant, parameter in declared
    ]
    if brings_workflows(workflow):
        found.append(text.Constant("WORKFLOWS", TYPES["object"], literal(canonical(workflow)["workflows"])))
    return tuple(found)


def brings_workflows(workflow: Workflow) -> bool:
    """Whether the file has to bring along the documents that its steps run."""
    return bool(workflow.workflows) and any(True for _ in runs(workflow))


def flow_docstring(summary: str, workflow: Workflow, names: Names, indent: int) -> Code:
    """The flow's docstring. Prefect takes the parameters' descriptions from its `Args`, not from `Field`."""
    described = [
        f"    {names.parameters[name]}: {_hanging(about, indent + 8)}"
        for name, parameter in workflow.parameters.items()
        if (about := _about(parameter))
    ]
    return docstring("\n".join([summary, "", "Args:", *described]) if described else summary, indent)


def _about(parameter: Parameter) -> str:
    """What to say of a parameter: of a secret one that a name is asked for."""
    about = parameter.description.strip()
    return f"The name of a secret. {about}".strip() if parameter.secret else about


def _hanging(description: str, indent: int) -> str:
    return prose(" ".join(description.split()), indent + 10).replace("\n", "\n        ")


def _parameter(name: str, parameter: Parameter, names: Names) -> text.Parameter:
    annotation, uses = _annotation(parameter)
    default = "" if parameter.required else names.defaults.get(name) or literal(parameter.default, 12)
    return text.Parameter(names.parameters[name], annotation, default, uses)


def _annotation(parameter: Parameter) -> tuple[str, frozenset[str]]:
    """The annotation, and the names in it that must be imported."""
    if parameter.secret:
        return _secret_annotation(parameter)
    choices = _choices(parameter)
    if choices:
        return f"Literal[{', '.join(map(literal, choices))}]", frozenset({"Literal"})
    field = ", ".join(f"{key}={literal(value, 24)}" for key, value in _constraints(parameter).items())
    extras = {"Field": f"Field({field})"} if field else {}
    if parameter.type == "number":
        extras["AsGiven"] = "AsGiven"
    kind = TYPES[parameter.type]
    if not extras:
        return kind, frozenset({kind})
    annotation = f"Annotated[{', '.join([kind, *extras.values()])}]"
    return annotation, frozenset({"Annotated", kind, *extras})


def _secret_annotation(parameter: Parameter) -> tuple[str, frozenset[str]]:
    """Not pydantic's types: their errors show what was given, and that may be the secret."""
    said: list[str] = [literal(name) for name in dict.fromkeys(parameter.enum or ())]
    if parameter.pattern is not None:
        said.append(f"pattern={literal(_pattern(parameter.pattern) or parameter.pattern)}")
    if not said:
        return "SecretName", frozenset({"SecretName"})
    names = frozenset({"Annotated", "Only", "SecretName"})
    return f"Annotated[SecretName, Only({', '.join(said)})]", names


def _choices(parameter: Parameter) -> list[Any]:
    """The values of an enum that can be a `Literal`: few, short, and of one plain type."""
    kind = _CHOICES.get(parameter.type)
    if kind is None or not parameter.enum or len(parameter.enum) > _MOST_CHOICES:
        return []
    fitting = [value for value in parameter.enum if parameter.refusal(value) is None]
    if any(type(value) is not kind or columns(str(value)) > _LONGEST_CHOICE for value in fitting):
        return []
    return list(dict.fromkeys(fitting))


def _constraints(parameter: Parameter) -> dict[str, Any]:
    """Arguments of `Field`. What pydantic can't check stands in the schema, which Prefect's server checks."""
    constraints: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    if parameter.type in ("integer", "number"):
        constraints = _bounds(parameter)
    if parameter.pattern is not None and parameter.type == "string":
        pattern = _pattern(parameter.pattern)
        (extra if pattern is None else constraints)["pattern"] = pattern or parameter.pattern
    if parameter.enum is not None:
        extra["enum"] = list(parameter.enum)
    return constraints | ({"json_schema_extra": extra} if extra else {})


def _bounds(parameter: Parameter) -> dict[str, float]:
    lower, upper = parameter.minimum, parameter.maximum
    if parameter.type == "integer":
        lower = None if lower is None else math.ceil(lower)
        upper = None if upper is None else math.floor(upper)
    bounds = {"ge": lower, "le": upper}
    return {key: whole(bound) for key, bound in bounds.items() if bound is not None}


def _pattern(pattern: str) -> str | None:
    """A pattern that matches whole texts only, or None where pydantic would understand it differently."""
    leading = _FLAGS.match(pattern)
    flags = leading[0] if leading else ""
    rest = pattern[len(flags) :]
    anchored = rest.startswith("^") and re.search(r"(?<!\\)(?:\\\\)*\$\Z", rest) and "|" not in rest
    whole_text = flags + (rest if anchored else f"^(?:{rest})$")
    if set(flags) & set("aLmux") or _DIALECT.search(pattern):
        return None
    try:
        re.compile(whole_text)
        TypeAdapter(Annotated[str, Field(pattern=whole_text)])
    except (re.error, SchemaError):
        return None
    return whole_text


def _tuple(values: tuple[str, ...]) -> str:
    comma = "," if len(values) == 1 else ""
    return f"({', '.join(literal(value, 8) for value in values)}{comma})"
