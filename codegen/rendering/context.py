"""What the templates are given: plain records of text that is Python already.

Every `Code` comes from `codegen.source`, every other string from `codegen.naming` or from a table of ours.
"""

from dataclasses import dataclass

from codegen.source import Code


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call; without a name a positional one."""

    value: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a function, perhaps as the context of a `with` that binds `variable`."""

    function: str
    arguments: tuple[Argument, ...] = ()
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A `with` statement."""

    contexts: tuple[Call, ...]
    body: tuple["Block | Call", ...]


@dataclass(frozen=True, slots=True)
class Task:
    """The function of one step."""

    function: str
    options: tuple[Argument, ...]
    docstring: Code
    call: Call
    outputs: Code | None
    judged: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the flow; `uses` are the names in its annotation that must be imported."""

    name: str
    annotation: str
    default: str = ""
    uses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Constant:
    """A default value that would be shared if it stood in the signature."""

    name: str
    annotation: str
    value: Code


@dataclass(frozen=True, slots=True)
class Helper:
    """A part of the flow's body that is nested too deeply to stand inside it."""

    function: str
    docstring: Code
    body: tuple[Block | Call, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """The flow function."""

    function: str
    title: Code
    parameters: tuple[Parameter, ...]
    docstring: Code
    run: Call
    body: tuple[Block | Call, ...]
    outputs: Code | None
    takes_arguments: bool


@dataclass(frozen=True, slots=True)
class Import:
    """`from module import names`, or `import module` without names."""

    module: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Module:
    """A whole generated file. `imports` come in three groups: Python's own, other packages, ours."""

    version: str
    file: str
    digest: str
    exemptions: tuple[str, ...]
    docstring: Code
    imports: tuple[tuple[Import, ...], ...]
    constants: tuple[Constant, ...]
    tasks: tuple[Task, ...]
    helpers: tuple[Helper, ...]
    flow: Flow
