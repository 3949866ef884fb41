"""A Celery worker that pretends the steps of the workflows it is sent: their metadata says how each behaves.

Only tests start it. The worker that people run knows nothing of this, whatever a document says.
"""

from contextlib import ExitStack
from typing import Any

from celery.signals import task_postrun, task_prerun

from celery_bridge.worker import app
from rehearsal.form import Life
from steps.acting import Actors
from steps.clock import VirtualClock, keeping
from steps.executor import rehearsed
from tests.conformance.cases import BEHAVIOUR

__all__ = ["app"]

_rehearsal = ExitStack()
_actors: dict[str, Actors] = {}
"""Those of each run: in another try of it they know how often they have been asked."""


@task_prerun.connect  # type: ignore[untyped-decorator]
def begin(args: tuple[Any, ...], kwargs: dict[str, Any], **_: object) -> None:
    """The actors take the stage. A process of the pool runs one task at a time."""
    document = kwargs["document"] if "document" in kwargs else args[0]
    sent = document["metadata"][BEHAVIOUR]
    actors = _actors.setdefault(kwargs["run_id"], Actors({}))
    actors.in_another_life(Life.model_validate({"leaves": sent["leaves"], "expect": {}}).leaves)
    if not actors.tries:
        actors.tries.update(sent["tries"])
    _rehearsal.enter_context(keeping(VirtualClock()))
    _rehearsal.enter_context(rehearsed(actors))


@task_postrun.connect  # type: ignore[untyped-decorator]
def end(**_: object) -> None:
    """And leave it."""
    _rehearsal.close()
