"""The body of a flow: the calls that say which step comes when."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from codegen.fields import Model
from codegen.groups import DEFAULT, ELSE, THEN, Condition, Parallel, Step, Switch, branches, case_of
from codegen.leaves import Leaf
from codegen.naming import Names
from codegen.rendering.context import Argument, Block, Call, Helper
from codegen.rendering.tasks import INDENT, described, whole
from codegen.source import docstring, literal
from codegen.step import StepBase
from codegen.workflow import Workflow

# CPython compiles at most 20 nested blocks; what lies deeper moves to a function of its own.
MOST_NESTED = 15
_SECTIONS: Mapping[str, str] = {"on_failure": "run.on_failure", "finally_": "run.always"}
_STEP_OPTIONS = (
    "join",
    "on",
    "for_each",
    "max_parallel",
    "when",
    "run_if",
    "enabled",
    "requires_approval",
    "repeat",
    "continue_on_error",
    "idempotent",
)
_GROUP_OPTIONS = (*_STEP_OPTIONS, "retry", "timeout", "outputs")
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
            statements.append(_block(Call(_SECTIONS[section]), writer.steps(steps, 2 * INDENT)))
    return Body(tuple(statements), tuple(writer.helpers))


def leaves_as_written(steps: Iterable[Step]) -> Iterator[Leaf]:
    """The leaf steps in the order in which the body names them: undos and handlers beside their step."""
    for step in steps:
        if isinstance(step, Leaf):
            yield step
        for _, inner in branches(step):
            yield from leaves_as_written(inner)
        for inner in _handlers(step):
            yield from leaves_as_written(inner)


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
            within = (
                depth
                if isinstance(step, Leaf)
                else depth + (2 if isinstance(step, Condition | Switch) else 1)
            )
            inner_depth, inner_home = within, home
            if within > MOST_NESTED:
                self.deep.add(step.id)
                inner_depth, inner_home = within - depth, step.id
            if step.depends_on is not None and step.depends_on != before:
                self.after[step.id] = step.depends_on
                self.named |= {id for id in step.depends_on if self.groups.get(id) == inner_home}
            if not isinstance(step, Leaf):
                self.groups[step.id] = inner_home
                if any(_handlers(step)):
                    self.named.add(step.id)
            for _, inner in branches(step):
                self.look_at(inner, inner_depth, inner_home, chained=not isinstance(step, Parallel))
            for inner in _handlers(step):
                self.look_at(inner, depth + 1, home)
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
        statements: list[Statement] = []
        for step in steps:
            write = self._step if isinstance(step, Leaf) else self._group
            statements.append(write(step, indent, home))
            statements += self._about(step, indent, home)
        return tuple(statements)

    def _step(self, step: Step, indent: int, home: str) -> Call:
        function = Argument(self._names.steps[step.id])
        return Call("run.step", (function, *self._options(step, indent + INDENT, home)))

    def _about(self, step: Step, indent: int, home: str) -> Iterator[Block]:
        """What is done about what the step did."""
        handlers, within = step.on_error, indent + INDENT
        this = Argument(self._named(step.id, home))
        if handlers is not None:
            options = [Argument(literal(handlers.when, within), "when")] if handlers.when else []
            options += [Argument("True", "recover")] if handlers.recover else []
            yield _block(Call("run.on_error", (this, *options)), self.steps(handlers.steps, within, home))
        if step.rollback:
            yield _block(Call("run.rollback", (this,)), self.steps(step.rollback, within, home))

    def _group(self, step: Step, indent: int, home: str) -> Statement:
        if step.id not in self._layout.deep:
            return self._written_out(step, indent, home)
        function = self._names.steps[step.id]
        statement = self._written_out(step, INDENT, step.id)
        explained = docstring(described(step.description, step.id, INDENT), INDENT)
        self.helpers.append(Helper(function, explained, (statement,)))
        return Call(function, (Argument("run"),))

    def _written_out(self, step: Step, indent: int, home: str) -> Block:
        is_named = (
            step.id in self._layout.named and step.id != home
        )  # from outside its function nobody sees it
        variable = self._names.steps[step.id] if is_named else ""
        options = self._options(step, indent + 2 * INDENT, home)
        self._written[step.id] = home
        call = Call(f"run.{step.type}", (Argument(literal(step.id)), *options), variable)
        within = indent + INDENT
        if not isinstance(step, Condition | Switch):
            return _block(call, *(self.steps(inner, within, home) for _, inner in branches(step)))
        parts = (
            _block(_branch(key), self.steps(inner, within + INDENT, home))
            for key, inner in branches(step)
            if inner or (isinstance(step, Switch) and key != DEFAULT)  # a case without steps is no default
        )
        return _block(call, tuple(parts))

    def _options(self, step: Step, column: int, home: str) -> tuple[Argument, ...]:
        """What differs from the defaults."""
        options: dict[str, str] = {}
        if isinstance(step, Switch):
            options["value"] = literal(step.value, column + 6)
        if step.id in self._layout.after:
            options["after"] = f"[{', '.join(self._named(id, home) for id in self._layout.after[step.id])}]"
        if isinstance(step, Parallel) and step.wait_for != "all":
            options["wait_for"] = literal(step.wait_for)
        for key in _STEP_OPTIONS if isinstance(step, Leaf) else _GROUP_OPTIONS:
            value = getattr(step, key)
            if value != StepBase.model_fields[key].get_default(call_default_factory=True):
                options[key] = _written(value, column + len(key) + 1)
        return tuple(Argument(value, key) for key, value in options.items())

    def _named(self, id: str, home: str) -> str:
        """A step as `after` names it: a task by its function, a group by its variable or else by its id."""
        is_group = id in self._layout.groups
        return literal(id) if is_group and self._written.get(id) != home else self._names.steps[id]


def _handlers(step: Step) -> Iterator[tuple[Step, ...]]:
    if step.on_error is not None:
        yield step.on_error.steps
    if step.rollback:
        yield step.rollback


def _branch(key: str) -> Call:
    """The call that opens a branch of a condition or a switch."""
    if key in (ELSE, DEFAULT):
        return Call("run.otherwise")
    return Call("run.then") if key == THEN else Call("run.case", (Argument(literal(case_of(key))),))


def _written(value: Any, column: int) -> str:
    if not isinstance(value, Model):
        return literal(whole(value) if isinstance(value, float) else value, column)
    given = (
        (name, getattr(value, name)) for name in type(value).model_fields if name in value.model_fields_set
    )
    options = (f"{name}={_written(one, column + INDENT)}" for name, one in given)
    return f"{type(value).__name__}({', '.join(options)})"


def _block(call: Call, body: tuple[Statement, ...]) -> Block:
    """A `with` statement; one that holds nothing but another becomes one with it."""
    if len(body) == 1 and isinstance(body[0], Block):
        return Block((call, *body[0].contexts), body[0].body)
    return Block((call,), body)
