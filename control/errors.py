"""What goes wrong between here and Prefect.

ControlError
├── PrefectUnreachable    no server is named, it doesn't answer, or it refuses us
├── NotDeployed           the deployment to start isn't there
├── RunRefused            Prefect doesn't take the run
├── RunUnknown            no run goes by this name or id
├── RunAmbiguous          several runs do
├── NoSuchQuestion        the run doesn't wait for this answer
├── AnswerRefused         Prefect doesn't take the answer
└── NotAgain              the run can't be tried again
"""

from collections.abc import Sequence


class ControlError(Exception):
    """What goes wrong between here and Prefect. The message names the cause and the cure."""


class PrefectUnreachable(ControlError):
    """No server is named, it doesn't answer, or it refuses us."""


class NotDeployed(ControlError):
    """The deployment to start isn't there."""

    def __init__(self, deployment: str) -> None:
        super().__init__(
            f"There is no deployment {deployment!r}: `opsconductor up` serves it, "
            "`prefect deploy --all` creates it on your own server."
        )


class RunRefused(ControlError):
    """Prefect doesn't take the run."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Prefect doesn't take the run: {reason}")


class RunUnknown(ControlError):
    """No run goes by this name or id."""

    def __init__(self, reference: str) -> None:
        super().__init__(
            f"No run is called {reference[:200]!r}: give a flow run's id, the beginning of a recent one, "
            "or a run's name."
        )


class RunAmbiguous(ControlError):
    """Several runs go by this name or beginning of an id."""

    def __init__(self, reference: str, candidates: Sequence[str]) -> None:
        self.candidates = tuple(candidates)
        super().__init__(f"{reference[:200]!r} may be any of {', '.join(candidates)}: give more of its id.")


class NoSuchQuestion(ControlError):
    """The run doesn't wait for this answer, or for several."""

    def __init__(self, run: str, step: str | None, open_ones: Sequence[str]) -> None:
        waits = f"it waits for {', '.join(map(repr, open_ones))}" if open_ones else "it waits for none"
        if step is None and open_ones:
            message = f"{waits}: name one of them, as in `opsconductor approve {run} {open_ones[0]!r}`."
        elif step is None:
            message = f"{waits}; `opsconductor status {run}` shows what it does."
        else:
            message = f"it doesn't wait for {step!r} ({waits})."
        super().__init__(f"The run {run} can't be answered: {message}")


class AnswerRefused(ControlError):
    """Prefect doesn't take the answer."""

    def __init__(self, about: str, reason: str) -> None:
        super().__init__(f"The answer for {about!r} was not taken: {reason}")


class NotAgain(ControlError):
    """The run can't be tried again."""

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(f"{run} can't be tried again: {reason}.")
