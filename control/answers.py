"""What an answer of Prefect's server that isn't good says, in words."""

from typing import Any

import httpx

_REFUSALS = (400, 409, 413, 422)
_TOO_LARGE = "parameters must be less than"


def is_refusal(error: httpx.HTTPStatusError) -> bool:
    """Whether the server understood and doesn't take what it was given."""
    return error.response.status_code in _REFUSALS


def told_by(error: httpx.HTTPStatusError) -> str:
    """The reason in the server's words, with a cure for the one that people meet."""
    reason = "; ".join(_reasons(_body(error)))[:500] or "no reason is given"
    if _TOO_LARGE in reason:
        reason += " Split the document, or raise PREFECT_SERVER_API_MAX_PARAMETER_SIZE on the server."
    return f"it answers {error.response.status_code}: {reason}"


def _body(error: httpx.HTTPStatusError) -> Any:
    try:
        return error.response.json()
    except ValueError:
        return None


def _reasons(body: Any) -> list[str]:
    """The texts in the shapes that Prefect and FastAPI give their errors; never what was sent."""
    if not isinstance(body, dict):
        return []
    details = body.get("exception_detail") or body.get("detail")
    if isinstance(details, list):
        messages = (detail.get("msg") for detail in details if isinstance(detail, dict))
        return [str(message).removeprefix("Value error, ") for message in messages if message]
    told = details or body.get("exception_message")
    return [str(told)] if told else []
