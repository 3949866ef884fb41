"""Whether a try was a success, where the step says what that is."""

from collections.abc import Awaitable

from steps.errors import InnerLost, StepFailed, StepTimedOut
from steps.scope import Outcome, Scope


async def judged(
    scope: Scope,
    attempt: Awaitable[Outcome],
    *,
    failed_when: str | None = None,
    succeeded_when: str | None = None,
) -> Outcome:
    """What the try gave, as expressions over `result` see it; they overrule the step's own judgement.

    A try that has no result, such as one that took too long, is not judged: it failed. Nor is one that nobody
    knows the end of.
    """
    failure = None
    try:
        outcome = await attempt
    except (StepTimedOut, InnerLost):
        raise
    except StepFailed as failed:
        if failed.result is None:
            raise
        failure, outcome = failed, Outcome(failed.result)
    result = outcome.result
    if failed_when is not None and scope.evaluate(failed_when, result=result):
        raise failure or StepFailed(f"failed_when: {failed_when!r} is true", result)
    if succeeded_when is not None and not scope.evaluate(succeeded_when, result=result):
        raise failure or StepFailed(f"succeeded_when: {succeeded_when!r} is false", result)
    return outcome
