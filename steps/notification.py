"""`notification`: tells people something."""

from codegen.leaves import Notification
from steps.data import plain_text
from steps.errors import StepFailed
from steps.executor import executor
from steps.receipts import unconfirmed
from steps.scope import Scope
from steps.web import UNANSWERED, place, send

PATIENCE = 30.0


@executor(Notification)
async def notification(
    scope: Scope,
    message: str,
    *,
    channel: str = "log",
    url: str | None = None,
    timeout: float | None = None,
) -> dict[str, str]:
    """Tell `message` over a channel: `log`, or `webhook`, which posts `{"text": message}` to `url`."""
    text = plain_text(message)
    if channel == "log":
        scope.line(text)
    elif channel == "webhook" and url:
        shown = place(scope.mask.text(url))
        with unconfirmed(scope, UNANSWERED.format(f"POST {shown}")):
            await _post(url, text, PATIENCE if timeout is None else timeout, shown)
    else:
        raise StepFailed(f"channel {channel!r} can't be used; use log, or webhook with a url")
    return {"channel": channel, "message": text}


async def _post(url: str, text: str, timeout: float, shown: str) -> None:
    """The path of a webhook's address is often its password: only scheme and host are ever shown."""
    answer = await send("POST", url, json={"text": text}, timeout=timeout, shown=shown)
    if not 200 <= answer["status"] < 300:
        raise StepFailed(f"webhook {shown} answered {answer['status']}", {"status": answer["status"]})
