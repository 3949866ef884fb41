"""URLs as they may be shown."""

import re

# To the last "@" of the text: a password may itself hold ":", "/" or "@".
_USER_AND_PASSWORD = re.compile(r"://([^:]*):(.*)@", re.DOTALL)
_PASSWORD_PARAMETER = re.compile(r"(?i)([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&;]*")


def masked(url: str) -> str:
    """The URL with its passwords replaced by `***`."""
    return _PASSWORD_PARAMETER.sub(r"\1***", _USER_AND_PASSWORD.sub(r"://\1:***@", url))
