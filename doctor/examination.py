"""Looks at everything at once, each look in a thread of its own with a deadline, then judges what was seen.

A look that hangs, in a name server or on a dead disk, can't be stopped. Its thread is a daemon: it is left
behind, and holds up neither the other looks nor the end of the process.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal

from doctor.findings import Finding, NotSeen, fault, skipped

Part = Literal["settings", "home", "documents", "packages", "prefect", "broker", "results", "workers"]


@dataclass(frozen=True, slots=True)
class Look:
    """Gathers evidence. `see` may raise NotSeen; `deadline` in seconds."""

    part: Part
    see: Callable[[], Any]
    deadline: float = 20.0


@dataclass(frozen=True, slots=True)
class Check:
    """Judges evidence: `judge` gets what the looks named by `needs` saw, in that order. Pure."""

    part: Part
    name: str
    needs: tuple[str, ...]
    judge: Callable[..., Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Result:
    """A finding, and what found it."""

    part: Part
    check: str
    finding: Finding


def examine(looks: Mapping[str, Look], checks: Sequence[Check]) -> list[Result]:
    """What all checks find. What a look can't see is a finding too; the checks that need it are skipped."""
    seen = look_at(looks)
    missing = {name: seen[name] for name in looks if isinstance(seen[name], Finding)}
    # Looks that fail for the same reason say it once.
    told: dict[str, Result] = {}
    for name, finding in missing.items():
        told.setdefault(finding.what, Result(looks[name].part, name, finding))
    results = list(told.values())
    for check in checks:
        absent = [name for name in check.needs if name in missing]
        if absent:
            # What is skipped itself is so because of an error elsewhere: that says more.
            wrong = [missing[name] for name in absent if missing[name].state == "error"]
            causes = wrong or [missing[name] for name in absent]
            cause = "; ".join(dict.fromkeys(one.what for one in causes))
            results.append(Result(check.part, check.name, skipped(not_checked(check.name), cause)))
        else:
            results += _judged(check, [seen[name] for name in check.needs])
    return results


def not_checked(name: str) -> str:
    """What is said of a check whose evidence is missing."""
    return f"not checked: {name}"


def look_at(looks: Mapping[str, Look]) -> dict[str, Any]:
    """What each look saw, or the Finding that it saw nothing; no later than the last deadline."""
    answers: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    begun = time.monotonic()
    for name, look in looks.items():
        Thread(
            target=lambda name=name, look=look: answers.put((name, _seen(name, look))), daemon=True
        ).start()
    seen: dict[str, Any] = {}
    for name, look in sorted(looks.items(), key=lambda item: item[1].deadline):
        while name not in seen:
            left = begun + look.deadline - time.monotonic()
            try:
                arrived, answer = answers.get(timeout=max(0.0, left))
            except Empty:
                seen[name] = _too_late(name, look)
            else:
                seen.setdefault(arrived, answer)
    return seen


def _seen(name: str, look: Look) -> Any:
    try:
        return look.see()
    except NotSeen as nothing:
        return nothing.finding
    except Exception as error:  # noqa: BLE001 (whatever it is, the other looks go on and it is told)
        return fault(
            f"{name}: the examination itself failed",
            f"{type(error).__name__}: {error}",
            "please report this; all other checks are complete without it",
        )


def _judged(check: Check, evidence: list[Any]) -> list[Result]:
    try:
        return [Result(check.part, check.name, finding) for finding in check.judge(*evidence)]
    except Exception as error:  # noqa: BLE001 (as above)
        finding = fault(
            f"{check.name}: the check itself failed",
            f"{type(error).__name__}: {error}",
            "please report this; all other checks are complete without it",
        )
        return [Result(check.part, check.name, finding)]


def _too_late(name: str, look: Look) -> Finding:
    return fault(
        f"{name}: no answer within {look.deadline:g} s",
        "something that it asks hangs: a name server, a network that drops packets, a disk that is away",
        "try to reach it by hand from this machine",
        seconds=look.deadline,
    )
