"""What an engine can't honour. One table; whatever is not in it, both engines can."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from codegen.decision import ENGINES, EngineName
from codegen.lists import every_step
from codegen.sub_workflows import documents, joined
from codegen.workflow import Workflow

Kind = Literal["step type", "step key", "document key"]

_NO_QUESTION = "a Celery worker can't pause a run and wait for a person's answer, which comes through Prefect"
_NO_EVENTS = "a Celery worker has no connection to Prefect's event system"

_NO_QUEUE = "it works where the router does, and can't choose the workers of a queue"

LIMITS: dict[tuple[Kind, str], dict[EngineName, str]] = {
    ("step type", "approval"): {"celery": _NO_QUESTION},
    ("step type", "emit"): {"celery": _NO_EVENTS},
    ("step type", "listen"): {"celery": _NO_EVENTS},
    ("step key", "requires_approval"): {"celery": _NO_QUESTION},
    ("document key", "requires_approval"): {"celery": _NO_QUESTION},
    ("document key", "queue"): {"prefect": _NO_QUEUE},
}


@dataclass(frozen=True, slots=True)
class Reason:
    """A construct at a place of the document that an engine can't honour, and why it can't."""

    path: str
    construct: str
    why: str

    def __str__(self) -> str:
        return f"{self.construct} at {self.path}: {self.why}"


def able(workflow: Workflow) -> dict[EngineName, tuple[Reason, ...]]:
    """For each engine what it can't honour of this document and those it holds; nothing: it can run it."""
    found: dict[EngineName, list[Reason]] = {engine: [] for engine in ENGINES}
    for document, library in documents(workflow):
        for path, kind, construct in _limited(document):
            for engine, why in LIMITS[kind, construct].items():
                found[engine].append(Reason(joined(library.path, path), f"'{construct}'", why))
    return {engine: tuple(reasons) for engine, reasons in found.items()}


def _limited(workflow: Workflow) -> Iterator[tuple[str, Kind, str]]:
    """Uses of constructs that are in the table, each with its path."""
    types, keys, document_keys = (
        frozenset(name for kind, name in LIMITS if kind == wanted)
        for wanted in ("step type", "step key", "document key")
    )
    for key in document_keys:
        if getattr(workflow, key):
            yield key, "document key", key
    for path, step in every_step(workflow):
        if step.type in types:
            yield f"{path}.type", "step type", step.type
        for key in keys:
            if getattr(step, key):
                yield f"{path}.{key}", "step key", key
