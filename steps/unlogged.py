"""HTTP libraries log every address in full, secrets in it included: ours are kept out of all logs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")
_ours: ContextVar[bool] = ContextVar("opsconductor_unlogged", default=False)


@contextmanager
def unlogged() -> Iterator[None]:
    """Nothing is logged of the requests that the block makes; those of others are logged as ever."""
    _install()
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


@cache
def _install() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_not_ours)


def _is_not_ours(_: logging.LogRecord) -> bool:
    return not _ours.get()
