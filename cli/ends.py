"""Ends many runs, none of which is in the way of another."""

from collections.abc import Callable, Mapping, Sequence

from control.runs import RunStatus

Ask = Callable[[Sequence[str]], Mapping[str, Exception]]
"""Asks all of them to end; why that could not be done, where it could not."""
Await = Callable[[Sequence[str]], Mapping[str, RunStatus | Exception]]
"""Waits for their ends."""


def end_all(
    runs: Sequence[RunStatus],
    *,
    is_without_process: Callable[[RunStatus], bool],
    ask: Ask,
    bring_to_its_end: Callable[[RunStatus], None],
    ended: Await,
) -> list[RunStatus | Exception]:
    """How each of them stands then, or why it could not be ended.

    Who only has to be asked is asked first: what runs without a process did may take long to undo.
    """
    failed: dict[str, Exception] = {}
    alone: list[RunStatus] = []
    for run in runs:
        try:
            alone += [run] if is_without_process(run) else []
        except Exception as error:  # noqa: BLE001 - it is told for this run, and the others go on
            failed[run.id] = error
    left = {run.id for run in alone} | failed.keys()
    failed |= ask([run.id for run in runs if run.id not in left])
    for run in alone:
        try:
            bring_to_its_end(run)
        except Exception as error:  # noqa: BLE001 - as above
            failed[run.id] = error
    failed |= ask([run.id for run in alone if run.id not in failed])
    then = ended([run.id for run in runs if run.id not in failed])
    return [failed.get(run.id) or then[run.id] for run in runs]
