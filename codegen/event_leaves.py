"""The leaf steps about Prefect's events: what `emit` and `listen` are told."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from codegen.fields import Argument, Flaw, FlawedError, Nested, NotBlank, Template
from codegen.leaf import Leaf

ID, ROLE = "prefect.resource.id", "prefect.resource.role"
OWN = "prefect."
"""How the names begin of the events that Prefect itself emits, and by which it keeps its records."""

Since = Literal["run", "step"]
EventName = Annotated[Template, NotBlank]
Labels = dict[str, Argument]
Patterns = dict[str, Argument | Annotated[tuple[Argument, ...], Field(min_length=1)]]


class Emit(Leaf):
    """Emits a Prefect event."""

    type: Literal["emit"]
    event: EventName
    resource: EventName | Labels | None = None
    related: tuple[Labels, ...] = ()
    payload: dict[str, Nested] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_an_event(self) -> Self:
        flaws = []
        if self.event.startswith(OWN):
            flaws.append(Flaw(("event",), f"names that begin with {OWN} are Prefect's own", "choose another"))
        if isinstance(self.resource, dict) and ID not in self.resource:
            flaws.append(Flaw(("resource",), f"it has no {ID}", f"add one: {{{ID}: shop.orders}}"))
        for index, labels in enumerate(self.related):
            missing = [label for label in (ID, ROLE) if label not in labels]
            if missing:
                cure = f"a related resource has both {ID} and {ROLE}"
                flaws.append(Flaw(("related", index), f"it has no {' and no '.join(missing)}", cure))
        if flaws:
            raise FlawedError(*flaws)
        return self


class Listen(Leaf):
    """Waits for a Prefect event."""

    type: Literal["listen"]
    event: EventName | Annotated[tuple[EventName, ...], Field(min_length=1)]
    match: Patterns = Field(default_factory=dict)
    match_related: Patterns = Field(default_factory=dict)
    payload: dict[str, Nested] = Field(default_factory=dict)
    since: Since = "run"
