"""What a child process inherits: our environment, without what is nobody else's business."""

import os
import re
from collections.abc import Mapping
from typing import Any

from steps.data import word
from steps.errors import StepFailed
from steps.scope import Scope

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("OPSCONDUCTOR_",)
# Of Prefect's own settings those that hold a secret, whichever part of it they are for.
_PREFECTS_SECRET = re.compile(r"PREFECT_.*(KEY|AUTH_STRING|PASSWORD|CONNECTION_URL|CUSTOM_HEADERS)")
_ADDRESSES_WITH_PASSWORDS = ("BROKER_URL", "RESULT_BACKEND")


def environment(scope: Scope, more: Mapping[str, Any] | None) -> dict[str, str]:
    """The environment of a step's child process.

    `OPSCONDUCTOR_STEP_KEY` is the same for every try of the same step of the same run: an idempotency key.
    """
    for name in more or {}:
        if not _NAME.fullmatch(name):
            raise StepFailed(f"{name!r} is no name for an environment variable; use letters, digits and _")
    inherited = {name: value for name, value in os.environ.items() if not _is_ours(name)}
    given = {name: word(value, f"variable {name!r}") for name, value in (more or {}).items()}
    return {"PYTHONUNBUFFERED": "1", **inherited, "OPSCONDUCTOR_STEP_KEY": scope.key, **given}


def _is_ours(name: str) -> bool:
    upper = name.upper()
    return (
        upper.startswith(_OURS)
        or _PREFECTS_SECRET.fullmatch(upper) is not None
        or any(part in upper for part in _ADDRESSES_WITH_PASSWORDS)
    )
