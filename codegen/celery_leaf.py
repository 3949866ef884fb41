"""The leaf step that runs tasks of somebody's Celery app: what it is told."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from codegen.fields import Flaw, FlawedError, Model, Nested, Template, Text
from codegen.leaf import Leaf

WAYS = ("task", "chain", "group", "chord")
MOST = 1000

# No template: which of an app's tasks run is seen in the document.
TaskName = Annotated[str, StringConstraints(pattern=r"^[^\s{}]+$", max_length=255)]
BlockName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=200)]
Signatures = Annotated[tuple["Signature", ...], Field(min_length=1, max_length=MOST)]


def _check_way(given: Any) -> None:
    """Exactly one way to say what is run, and arguments where a single task is."""
    said = [way for way in WAYS if getattr(given, way) is not None]
    if len(said) != 1:
        what = f"{' and '.join(said)} exclude each other" if said else "it names no task"
        cure = "keep one" if said else "write task, chain, group or chord"
        raise FlawedError(Flaw((said[1],) if said else (), what, cure))
    if said == ["task"]:
        return
    flaws = [
        Flaw((key,), f"a {said[0]} has no {key} of its own", "write it at its tasks")
        for key in ("args", "kwargs", "queue", "immutable", "ignore_result")
        if key in type(given).model_fields and key in given.model_fields_set
    ]
    if flaws:
        raise FlawedError(*flaws)


class Signature(Model):
    """A task with its arguments, or tasks put together as in Celery's canvas."""

    task: TaskName | None = None
    args: tuple[Nested, ...] = ()
    kwargs: dict[str, Nested] = Field(default_factory=dict)
    queue: Template | None = None
    immutable: bool = False
    chain: Signatures | None = None
    group: Signatures | None = None
    chord: "Chord | None" = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        _check_way(self)
        return self


class Chord(Model):
    """Tasks that run side by side, and one that gets the list of their results."""

    header: Signatures
    body: Signature


class CeleryTask(Leaf):
    """Runs a task registered in an existing Celery app, by name."""

    type: Literal["celery_task"]
    task: TaskName | None = None
    args: tuple[Nested, ...] = ()
    kwargs: dict[str, Nested] = Field(default_factory=dict)
    queue: Template | None = None
    chain: Annotated[Signatures, Text("template")] | None = None
    group: Annotated[Signatures, Text("template")] | None = None
    chord: Annotated[Chord, Text("template")] | None = None
    broker: BlockName | None = None
    ignore_result: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        _check_way(self)
        return self
