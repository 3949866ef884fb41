"""Every expected error as one message and one exit code."""

import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from codegen.errors import CodegenError, Problem, ProblemsError, RegistryError


class Exit(IntEnum):
    """The exit codes of all commands."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    UNREACHABLE = 3
    CANCELLED = 4


class UsageError(Exception):
    """The command line asks for something that can't be done."""


class Unavailable(Exception):
    """What the command needs can't be reached."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What to say, and how to end."""

    message: str
    exit: Exit
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints instead of a result."""
        return {"error": {"message": self.message, "problems": [asdict(one) for one in self.problems]}}


def failure_of(error: BaseException) -> Failure | None:
    """What is known of an error; None for one that nobody expected."""
    if isinstance(error, ProblemsError):
        return Failure(str(error), Exit.BAD_INPUT, error.problems)
    if (refusal := _refusal(error)) is not None:
        return refusal
    for kinds, code in _known():
        if isinstance(error, kinds):
            return Failure(str(error) or type(error).__name__, code)
    return None


def unexpected(error: Exception) -> Failure:
    """What to say of one that nobody expected; its traceback is shown."""
    traceback.print_exception(error)
    return Failure(f"an unexpected {type(error).__name__}: {error}", Exit.FAILED)


def _refusal(error: BaseException) -> Failure | None:
    """Prefect's server doesn't take what the run gives it."""
    if "httpx" not in sys.modules:
        return None
    import httpx

    from control.answers import is_refusal, told_by

    if not isinstance(error, httpx.HTTPStatusError):
        return None
    if is_refusal(error):
        return Failure(f"Prefect doesn't take the run: {told_by(error)}", Exit.BAD_INPUT)
    return Failure(f"The Prefect server can't be used: {told_by(error)}", Exit.UNREACHABLE)


def _known() -> Iterator[tuple[tuple[type[BaseException], ...], Exit]]:
    """The kinds of errors, the special ones first. What was never imported can't have been raised."""
    yield (UsageError,), Exit.BAD_INPUT
    yield (Unavailable, RegistryError), Exit.UNREACHABLE
    yield (CodegenError,), Exit.BAD_INPUT
    yield _loaded("control.ports", "PortTaken") + _loaded("control.options", "BadSetting"), Exit.BAD_INPUT
    yield _loaded("control.home", "InstallationError"), Exit.UNREACHABLE
    yield (
        _loaded(
            "control.errors",
            "RunUnknown",
            "RunAmbiguous",
            "RunRefused",
            "NotAgain",
            "NoSuchQuestion",
            "AnswerRefused",
        )
        + _loaded("flows.again", "NoSuchStep")
        + _loaded("steps.entries", "Unreadable")
        + _loaded("celery_bridge.errors", "SettingsError"),
        Exit.BAD_INPUT,
    )
    yield _loaded("control.errors", "ControlError"), Exit.UNREACHABLE
    yield _loaded("celery_bridge.errors", "BridgeError"), Exit.UNREACHABLE
    yield _loaded("flows.engines", "RunLost"), Exit.UNREACHABLE
    yield _loaded("httpx", "HTTPError"), Exit.UNREACHABLE


def _loaded(module: str, *names: str) -> tuple[type[BaseException], ...]:
    found = sys.modules.get(module)
    return tuple(getattr(found, name) for name in names) if found else ()
