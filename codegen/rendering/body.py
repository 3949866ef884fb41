"""The body of a flow: the calls that say which step comes when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from codegen.leaves import Leaf
from codegen.naming import Names
from codegen.rendering.context import Argument, Block, Call, Helper
from codegen.rendering.tasks import INDENT, described
from codegen.source import docstring, literal
from codegen.step import StepBase
from codegen.workflow import Condition, Parallel, Step, Workflow, branches

# CPython compiles at most 20 nested blocks; what lies deeper moves to a function of its own.
MOST_NESTED = 15
_HANDLERS: Mapping[str, str] = {"on_failure": "run.on_failure", "finally_": "run.always"}
_BRANCHES: Mapping[str, str] = {"then": "run.then", "else": "run.otherwise"}
Statement = Block | Call


@dataclass(frozen=True, slots=True)
class Body:
    """The statements of the flow's body, and the functions that it calls for deeply nested parts."""

    statements: tuple[Statement, ...]
    helpers: tuple[Helper, ...]


def body(workflow: Workflow, names: Names) -> Body:
    """The body of a document's flow."""
    sections = (("", workflow.steps), ("on_failure", workflow.on_failure), ("finally_", workflow.finally_))
    layout = _Layout()
    for section, steps in sections:
        layout.look_at(steps, depth=1 if section else 0)
    writer = _Writer(names, layout)
    statements: list[Statement] = list(writer.steps(workflow.steps, INDENT))
    for section, steps in sections[1:]:
        if steps:
            statements.append(_block(Call(_HANDLERS[section]), writer.steps(steps, 2 * INDENT)))
    return Body(tuple(statements), tuple(writer.helpers))


@dataclass(slots=True)
class _Layout:
    """What is known before anything is written: what each step must name, and where groups stand."""

    after: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    deep: set[str] = field(default_factory=set)

    def look_at(self, steps: Iterable[Step], depth: int, home: str = "", *, chained: bool = True) -> None:
        """Note what the steps of a list depend on beyond what their place says."""
        before: tuple[str, ...] = ()
        for step in steps:
            within = depth if isinstance(step, Leaf) else depth + (2 if isinstance(step, Condition) else 1)
            inner_depth, inner_home = within, home
            if within > MOST_NESTED:
                self.deep.add(step.id)
                inner_depth, inner_home = within - depth, step.id
            if step.depends_on is not None and step.depends_on != before:
                self.after[step.id] = step.depends_on
                self.named |= {id for id in step.depends_on if self.groups.get(id) == inner_home}
            if not isinstance(step, Leaf):
                self.groups[step.id] = inner_home
            for _, inner in branches(step):
                self.look_at(inner, inner_depth, inner_home, chained=not isinstance(step, Parallel))
            before = (step.id,) if chained else ()


class _Writer:
    """Writes steps down as statements."""

    def __init__(self, names: Names, layout: _Layout) -> None:
        self._names = names
        self._layout = layout
        self._written: dict[str, str] = {}
        self.helpers: list[Helper] = []

    def steps(self, steps: Iterable[Step], indent: int, home: str = "") -> tuple[Statement, ...]:
        """The statements of a list of steps. `home` is the deep group whose function they belong to."""
        return tuple(
            self._step(step, indent, home) if isinstance(step, Leaf) else self._group(step, indent, home)
            for step in steps
        )

    def _step(self, step: Step, indent: int, home: str) -> Call:
        function = Argument(self._names.steps[step.id])
        return Call("run.step", (function, *self._options(step, indent + INDENT, home)))

    def _group(self, step: Step, indent: int, home: str) -> Statement:
        if step.id not in self._layout.deep:
            return self._written_out(step, indent, home)
        function = self._names.steps[step.id]
        statement = self._written_out(step, INDENT, step.id)
        explained = docstring(described(step.description, step.id, INDENT), INDENT)
        self.helpers.append(Helper(function, explained, (statement,)))
        return Call(function, (Argument("run"),))

    def _written_out(self, step: Step, indent: int, home: str) -> Block:
        variable = self._names.steps[step.id] if step.id in self._layout.named else ""
        options = self._options(step, indent + 2 * INDENT, home)
        self._written[step.id] = home
        call = Call(f"run.{step.type}", (Argument(literal(step.id)), *options), variable)
        within = indent + INDENT
        if not isinstance(step, Condition):
            return _block(call, *(self.steps(inner, within, home) for _, inner in branches(step)))
        parts = (
            _block(Call(_BRANCHES[key]), self.steps(inner, within + INDENT, home))
            for key, inner in branches(step)
            if inner
        )
        return _block(call, tuple(parts))

    def _options(self, step: Step, column: int, home: str) -> tuple[Argument, ...]:
        """What differs from the defaults."""
        options: dict[str, str] = {}
        if step.id in self._layout.after:
            options["after"] = f"[{', '.join(self._named(id, home) for id in self._layout.after[step.id])}]"
        for key in ("on", "for_each", "max_parallel", "when", "run_if", "continue_on_error"):
            value = getattr(step, key)
            if value != StepBase.model_fields[key].default:
                options[key] = literal(value, column + len(key) + 1)
        return tuple(Argument(value, key) for key, value in options.items())

    def _named(self, id: str, home: str) -> str:
        """A step as `after` names it: a task by its function, a group by its variable or else by its id."""
        is_group = id in self._layout.groups
        return literal(id) if is_group and self._written.get(id) != home else self._names.steps[id]


def _block(call: Call, body: tuple[Statement, ...]) -> Block:
    """A `with` statement; one that holds nothing but another becomes one with it."""
    if len(body) == 1 and isinstance(body[0], Block):
        return Block((call, *body[0].contexts), body[0].body)
    return Block((call,), body)
