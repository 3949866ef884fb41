"""Lays Python text out with ruff, always in the same way: no configuration of the place it runs in counts."""

import subprocess
from functools import cache
from importlib import metadata

from codegen.errors import CodegenError
from codegen.source import LINE


class FormattingError(CodegenError):
    """Generated source can't be formatted."""


def formatted(source: str) -> str:
    """The source as ruff lays it out."""
    command = [
        _ruff(),
        "format",
        "--isolated",
        "--no-cache",
        f"--line-length={LINE}",
        "--target-version=py311",
    ]
    run = subprocess.run([*command, "-"], input=source, capture_output=True, encoding="utf-8", check=False)
    if run.returncode:
        raise FormattingError(f"ruff could not format the generated source: {run.stderr.strip()[:500]}")
    return run.stdout


def formatter() -> str:
    """Name and version of what formats: another version may lay the same source out differently."""
    try:
        return f"ruff {metadata.version('ruff')}"
    except metadata.PackageNotFoundError as error:
        raise _missing() from error


@cache
def _ruff() -> str:
    try:
        from ruff import find_ruff_bin  # type: ignore[import-untyped]

        binary: str = find_ruff_bin()
    except (ImportError, FileNotFoundError) as error:
        raise _missing() from error
    return binary


def _missing() -> FormattingError:
    return FormattingError(
        "ruff, which formats generated flows, is not installed; install it, or generate without formatting"
    )
