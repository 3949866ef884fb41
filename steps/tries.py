"""Tries of a step that fails, and the waits between them."""

import random
from collections.abc import Callable

from codegen.step import JITTER, Retry
from steps.clock import present
from steps.errors import InnerLost, StepFailed
from steps.scope import Outcome, Scope
from steps.work import Perform


async def with_retries(
    once: Perform,
    retry: Retry | None,
    scope: Scope,
    *,
    unless: Callable[[], bool] = lambda: False,
    at_once: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Try until it succeeds, the tries are used up or `unless` holds.

    Waits in between as the policy says, where the next try is not to begin `at_once`.
    """
    attempt = 1
    while True:
        try:
            return await once(scope)
        except StepFailed as failure:
            if retry is None or attempt >= retry.attempts or unless() or isinstance(failure, InnerLost):
                raise
            attempt += 1
            if at_once():
                continue
            delay = wait_before(attempt, retry)
            again = f"try {attempt} of {retry.attempts} in {delay:.3g}s"
            scope.tell("retrying", text=f"{failure.message}; {again}")
        await present().sleep(delay)
        await scope.surroundings.journal.held()


def wait_before(attempt: int, retry: Retry) -> float:
    """Seconds before a try; `jitter` makes them up to half as long or as short again, within `max_delay`."""
    delay = retry.delay_before(attempt)
    if not retry.jitter:
        return delay
    scattered = delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    return scattered if retry.max_delay is None else min(scattered, retry.max_delay)
