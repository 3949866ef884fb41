"""A document as a Mermaid flowchart: groups as boxes, dependencies as arrows, conditions on the arrows.

Nodes are named by number. Whatever the document says stands in quoted labels in which all but letters,
digits and some harmless marks is written as an entity: no text can end a label or start a directive.
"""

from collections.abc import Sequence

from codegen.groups import Condition, Group, Parallel, Step, Switch, branches
from codegen.lists import every_step
from codegen.schedule import nodes_of
from codegen.workflow import Workflow, sections

LONGEST_LABEL = 80
_HARMLESS = frozenset(" _-.,/+=()!?'…")
_TITLES = {"steps": "steps", "on_failure": "on failure", "finally": "finally"}


def to_mermaid(workflow: Workflow) -> str:
    """The flowchart's text; equal documents give equal text."""
    chart = _Chart([step for _, step in every_step(workflow)])
    filled = [(title, steps) for title, steps in sections(workflow) if steps]
    if len(filled) == 1:
        chart.draw(workflow.steps, 1)
    else:
        for title, steps in filled:
            chart.box(title, _TITLES[title], steps, 1)
            if title != "steps":
                chart.arrow("steps", title, _TITLES[title], dotted=True)
    return "\n".join(["flowchart TD", *chart.lines, *chart.arrows]) + "\n"


def label(text: str, longest: int = LONGEST_LABEL) -> str:
    """Text as a quoted Mermaid label: one line, cut to a length."""
    words = " ".join(text.split())
    shown = words if len(words) <= longest else words[: longest - 1] + "…"
    return '"' + "".join(map(_written, shown)) + '"'


def _written(character: str) -> str:
    return character if character.isalnum() or character in _HARMLESS else f"#{ord(character)};"


class _Chart:
    """Collects the lines of boxes and nodes, and the arrows that come after them."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.lines: list[str] = []
        self.arrows: list[str] = []
        self._names = {
            step.id: f"{'g' if isinstance(step, Group) else 's'}{number}" for number, step in enumerate(steps)
        }

    def draw(self, steps: Sequence[Step], depth: int) -> None:
        """The steps of a section or of a handler list, and all below them."""
        after = {node.id: node.after for node in nodes_of(steps)}
        self._draw(steps, after, depth, "", "")

    def box(self, name: str, title: str, steps: Sequence[Step], depth: int) -> None:
        """A list of steps of its own, in a box."""
        self._line(depth, f"subgraph {name} [{label(title)}]")
        self.draw(steps, depth + 1)
        self._line(depth, "end")

    def arrow(self, start: str, end: str, text: str, *, dotted: bool = False) -> None:
        """An arrow with a text, if there is one."""
        line = "-.->" if dotted else "-->"
        self.arrows.append(f"    {start} {line}{f'|{label(text)}|' if text else ''} {end}")

    def _draw(
        self, steps: Sequence[Step], after: dict[str, tuple[str, ...]], depth: int, entry: str, branch: str
    ) -> None:
        for step in steps:
            name, condition = self._names[step.id], _condition(step, len(after[step.id]))
            waits = [self._names[id] for id in after[step.id] if id in self._names]
            for before in waits:
                self.arrow(before, name, condition)
            if not waits and entry:
                self.arrow(entry, name, ", ".join(filter(None, (branch, condition))))
            loose = condition if not waits and not entry else ""
            self._step(step, name, after, depth, loose)
            self._handlers(step, name, depth)

    def _step(self, step: Step, name: str, after: dict[str, tuple[str, ...]], depth: int, loose: str) -> None:
        texts = [label(text)[1:-1] for text in (step.id, _kind(step), loose) if text]
        if not isinstance(step, Group):
            self._line(depth, f'{name}["{"<br/>".join(texts)}"]')
            return
        self._line(depth, f'subgraph {name} ["{", ".join(texts)}"]')
        entry = ""
        if isinstance(step, Condition | Switch):
            entry = f"{name}q"
            self._line(
                depth + 1, f"{entry}{{{label(step.when if isinstance(step, Condition) else step.value)}}}"
            )
        for text, (_, steps) in zip(_branch_names(step), branches(step), strict=True):
            self._draw(steps, after, depth + 1, entry, text)
        self._line(depth, "end")

    def _handlers(self, step: Step, name: str, depth: int) -> None:
        handlers = (("on error", step.on_error.steps if step.on_error else ()), ("rollback", step.rollback))
        for title, steps in handlers:
            if steps:
                box = f"{name}{title.replace(' ', '')}"
                self.box(box, f"{title} of {step.id}", steps, depth)
                self.arrow(name, box, title, dotted=True)

    def _line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)


def _branch_names(step: Step) -> tuple[str, ...]:
    match step:
        case Condition():
            return "then", "else"
        case Switch():
            return (*(f"case {key}" for key in step.cases), "default")
        case _:
            return ("",)


def _condition(step: Step, waits: int) -> str:
    """What must hold for the step to run: `if failed, when params.deep`, or `if 2 of 3 finished`."""
    join = "" if step.join == "all" else f"{step.join} of {waits}"
    ends = join if step.run_if == "succeeded" else f"{join} {step.run_if}".strip()
    run_if = f"if {ends}" if ends else ""
    when = f"when {step.when}" if step.when is not None and not isinstance(step, Condition) else ""
    return ", ".join(filter(None, ("" if step.enabled else "disabled", run_if, when)))


def _kind(step: Step) -> str:
    on = f"on {step.on}" if step.on is not None else ""
    each = (
        f"for each of {step.for_each if isinstance(step.for_each, str) else len(step.for_each)}"
        if step.for_each
        else ""
    )
    return " ".join(filter(None, (step.type, _race(step), on, each, _repeat(step))))


def _race(step: Step) -> str:
    if not isinstance(step, Parallel) or step.wait_for == "all":
        return ""
    return f"until {step.wait_for} of {len(step.steps)} succeeded"


def _repeat(step: Step) -> str:
    if step.repeat is None:
        return ""
    until = step.repeat.until
    return f"until {until}" if until is not None else f"while {step.repeat.while_}"
