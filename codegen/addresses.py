"""Addresses that hold a password, as people may see them."""

import re

# To the last "@" before the next address: a password may itself hold ":", "/", "@" or ";".
_USER_AND_PASSWORD = re.compile(r"(?i)://([^:/@;]*):((?:(?!;\s*[a-z][a-z0-9+.-]*://).)*)@", re.DOTALL)
_PASSWORD_PARAMETER = re.compile(r"(?i)([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&;]*")


def masked(url: str) -> str:
    """The address with its passwords replaced by `***`."""
    return _PASSWORD_PARAMETER.sub(r"\1***", _USER_AND_PASSWORD.sub(r"://\1:***@", url))
