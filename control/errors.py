"""What goes wrong between here and Prefect.

ControlError
├── PrefectUnreachable    no server is named, it doesn't answer, or it refuses us
├── NotDeployed           the deployment to start isn't there
├── RunRefused            Prefect doesn't take the run
├── RunUnknown            no run goes by this name or id
└── RunAmbiguous          several runs do
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
