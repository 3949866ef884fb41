"""Where a document may name secrets: only in what a step hands to the program or server it is for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from codegen.leaves import Command, Container, Http, Leaf, Notification, Python, Script
from codegen.mentions import of_template

SECRETS = "secrets"
NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Lower case: the same secret is an environment variable in upper case, and a block of Prefect."""

_HANDED_ON: Mapping[type[Leaf], frozenset[str]] = {
    Command: frozenset({"command", "env"}),
    Container: frozenset({"command", "env"}),
    Http: frozenset({"url", "headers", "query", "json_body", "body"}),
    Notification: frozenset({"url"}),
    Python: frozenset({"args"}),
    Script: frozenset({"script", "args", "env"}),
}
_ON_COMMAND_LINES: Mapping[type[Leaf], frozenset[str]] = {
    Command: frozenset({"command"}),
    Script: frozenset({"script", "args"}),
}
ELSEWHERE = (
    "hand it to a step where it is used: env of a command or script; url, headers, query, json or body of "
    "http; args of python; url of a notification"
)


def may_hold_secrets(model: type[Leaf], key: str) -> bool:
    """Whether texts of this key may name secrets: nothing of it is stored or shown."""
    return key in _HANDED_ON.get(model, ())


def shows_on_command_line(model: type[Leaf], key: str) -> bool:
    """Whether what this key holds can be seen in a list of processes."""
    return key in _ON_COMMAND_LINES.get(model, ())


def named_secrets(model: type[Leaf], given: Mapping[str, Any]) -> frozenset[str]:
    """The secrets that the keys of a step name."""
    held = (value for key, value in given.items() if may_hold_secrets(model, key))
    return frozenset(name for value in held for name in _named(value))


def misused(path: tuple[str, ...]) -> tuple[str, str] | None:
    """What is wrong with a reference to secrets, and what mends it."""
    match path:
        case (_,):
            return "secrets are named one by one, as they are written", "write secrets.<name>"
        case (_, name) if NAME.fullmatch(name) is None:
            return f'"{name:.80}" is no name of a secret', "use lower-case letters, digits and _"
        case (_, name, key, *_):
            return f'a secret is a text and has no "{key:.80}"', f"write secrets.{name:.80}"
    return None


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if SECRETS in value:
            paths = of_template(value).paths
            yield from (path[1] for path in paths if path[0] == SECRETS and len(path) > 1)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _named(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _named(item)
