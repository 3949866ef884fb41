"""Runs cases and judges them."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from codegen.decision import ENGINES, EngineName
from codegen.registry import Registry
from rehearsal.reading import Rehearsal
from rehearsal.stages import NoReport, performed
from rehearsal.verdicts import Difference, Verdict, differences


def judged(rehearsal: Rehearsal, engine: EngineName, registry: Registry) -> Verdict:
    """Run a case on an engine and compare."""
    begun = monotonic()
    try:
        found = differences(rehearsal, performed(rehearsal, engine, registry))
    except NoReport as error:
        found = (Difference("run", "a report", str(error)),)
    except Exception:  # noqa: BLE001 - one case must not take the others with it
        found = (Difference("run", "a report", traceback.format_exc()),)
    return Verdict(rehearsal, engine, found, monotonic() - begun)


def verdicts(rehearsals: Iterable[Rehearsal], engines: Collection[EngineName] = ENGINES) -> Iterator[Verdict]:
    """Run all cases on those of their engines that are asked for, one after the other.

    A Prefect server is started for them, with a database of its own, and ended with the last one.
    """
    todo = [(one, engine) for one in rehearsals for engine in one.engines if engine in engines]
    with ExitStack() as stack:
        registry = Registry(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opsconductor-"))))
        if any(engine == "prefect" for _, engine in todo):
            from rehearsal.server import prefect_server  # imports Prefect, which takes a second

            stack.enter_context(prefect_server(quiet=True))
        for rehearsal, engine in todo:
            yield judged(rehearsal, engine, registry)
