"""What an examination finds: a state, what it is about, why, and what mends it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from celery_bridge.urls import masked

State = Literal["ok", "warning", "error", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `evidence` is JSON data: the facts behind the judgement.

    `skipped`: it could not be looked at, and `cause` says why.
    """

    state: State
    what: str
    cause: str = ""
    cure: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


class NotSeen(Exception):
    """Something can't be looked at; `finding` says what that means."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.what)


def fine(what: str, **evidence: Any) -> Finding:
    """All is well."""
    return Finding("ok", what, evidence=evidence)


def doubt(what: str, cause: str, cure: str, **evidence: Any) -> Finding:
    """Works, and may bring trouble."""
    return Finding("warning", what, cause, cure, evidence)


def fault(what: str, cause: str, cure: str, **evidence: Any) -> Finding:
    """Doesn't work, or loses or repeats work sooner or later."""
    return Finding("error", what, cause, cure, evidence)


def skipped(what: str, cause: str, **evidence: Any) -> Finding:
    """Could not be looked at."""
    return Finding("skipped", what, cause, evidence=evidence)


def without(finding: Finding, secrets: Iterable[str]) -> Finding:
    """The finding without passwords: those in addresses, and these wherever they stand."""
    known = tuple(secrets)
    return replace(
        finding,
        what=_hidden(finding.what, known),
        cause=_hidden(finding.cause, known),
        cure=_hidden(finding.cure, known),
        evidence=_hidden_in(finding.evidence, known),
    )


def _hidden(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return masked(text)


def _hidden_in(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, str):
        return _hidden(value, secrets)
    if isinstance(value, dict):
        return {key: _hidden_in(one, secrets) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden_in(one, secrets) for one in value]
    return value
