"""Where a document may name secrets: only in what a step hands to the program or server it is for."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from codegen.leaves import Command, Container, Http, Leaf, Notification, Python, Script
from codegen.mentions import of_template

SECRETS = "secrets"
PARAMS = "params"
NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Lower case: the same secret is an environment variable in upper case, and a block of Prefect."""

_ONE_PARAMETER = re.compile(r"\s*\{\{\s*params\.[A-Za-z]\w*\s*\}\}\s*", re.ASCII)

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
    return _handed_on(model, given, SECRETS)


def named_parameters(model: type[Leaf], given: Mapping[str, Any], secret: frozenset[str]) -> frozenset[str]:
    """Those of the `secret` parameters that the keys of a step name to hand on what they stand for."""
    return _handed_on(model, given, PARAMS) & secret if secret else secret


def parameters_in(value: Any, secret: frozenset[str]) -> frozenset[str]:
    """Those of the `secret` parameters that a text, or a text of some data, names."""
    return frozenset(_named(value, PARAMS)) & secret if secret else secret


def is_parameter(text: Any) -> bool:
    """Whether it is one parameter and nothing else, which hands on what was given for it."""
    return isinstance(text, str) and _ONE_PARAMETER.fullmatch(text) is not None


def misused(path: tuple[str, ...]) -> tuple[str, str] | None:
    """What is wrong with a reference to secrets, and what mends it."""
    match path:
        case (_,):
            return "secrets are named one by one, as they are written", "write secrets.<name>"
        case ("secrets", name) if NAME.fullmatch(name) is None:
            return f'"{name:.80}" is no name of a secret', "use lower-case letters, digits and _"
        case (root, name, key, *_):
            return f'a secret is a text and has no "{key:.80}"', f"write {root}.{name:.80}"
    return None


def _handed_on(model: type[Leaf], given: Mapping[str, Any], root: str) -> frozenset[str]:
    held = (value for key, value in given.items() if may_hold_secrets(model, key))
    return frozenset(name for value in held for name in _named(value, root))


def _named(value: Any, root: str) -> Iterator[str]:
    if isinstance(value, str):
        if root in value:
            paths = of_template(value).paths
            yield from (path[1] for path in paths if path[0] == root and len(path) > 1)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _named(item, root)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _named(item, root)
