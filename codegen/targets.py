"""Which targets this version reaches: only the machine it runs on."""

import ipaddress
import re
from collections.abc import Iterable

from codegen.errors import ParameterError, Problem

CURE = "use localhost or a name ending in .localhost"

_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?\.)*localhost")


def is_local(name: str) -> bool:
    """Whether a target is this machine: `localhost`, `*.localhost`, `127.0.0.0/8`, `::1`."""
    if len(name) > 253:
        return False
    if _NAME.fullmatch(name.lower()):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address in _LOOPBACK or address == ipaddress.IPv6Address("::1")


def unreachable(path: str, name: str) -> Problem:
    """The problem of a target that is not this machine."""
    shown = f"{name[:80]}..." if len(name) > 80 else name or '""'
    return Problem(
        path, f"target {shown} can't be reached by this version, which runs on this machine only", CURE
    )


def check_targets(targets: Iterable[str]) -> tuple[str, ...]:
    """The targets of a run, in the order given; ParameterError lists those that can't be reached."""
    given = tuple(targets)
    problems = [unreachable(f"targets[{i}]", name) for i, name in enumerate(given) if not is_local(name)]
    if problems:
        raise ParameterError(problems)
    return given
