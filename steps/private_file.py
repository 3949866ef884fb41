"""Files for a child process that nobody else may read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def private_file(name: str, text: str) -> Iterator[Path]:
    """A file in a folder of its own (mode 0700) that is gone after the block."""
    with TemporaryDirectory(prefix="opsconductor-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, name)
        file.write_text(text, encoding="utf-8")
        yield file
